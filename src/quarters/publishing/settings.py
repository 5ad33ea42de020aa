"""The publishing section of the configuration."""

from pathlib import Path

import msgspec


class PublishingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How repositories are signed and published."""

    key: str = ""
    """Name of the key that signs; empty: the one that was chosen with `quarters key use`, at first one that is made."""
    user_id: str = "Quarters package signing"
    """What a key made on first start is called in clients' keyrings."""
    gnupg_home: Path | None = None
    """GNUPGHOME of the gpg that signs with keys imported as `--signer gpg`; by default the server user's own."""
    signing_command: tuple[str, ...] = ()
    """What signs with keys imported as `--signer command`: reads from standard input, prints the binary signature."""
    signing_timeout: float = 60.0
    """Seconds that gpg or the command may take for one signature."""
    retry_after: float = 15.0
    """Seconds after which a publish that met a full disk or the like is tried again."""
    kept_indexes: int = 3
    """How many snapshots' index files are kept ready on disk; those of older ones are made again when asked for."""
    grace: float = 86400.0
    """Seconds for which a package file that no snapshot lists any more stays; far longer than any publish takes."""
    clean_every: float = 86400.0
    """Seconds between two looks at which snapshots expired."""
