"""The publishing section of the configuration."""

import msgspec


class PublishingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How repositories are signed and published."""

    key: str = "quarters"
    """Name of the key that signs; where there is no key at all, one of this name is made on first start."""
    user_id: str = "Quarters package signing"
    """What a key made on first start is called in clients' keyrings."""
    retry_after: float = 15.0
    """Seconds after which a publish that met a full disk or the like is tried again."""
    kept_indexes: int = 3
    """How many snapshots' index files are kept ready on disk; those of older ones are made again when asked for."""
