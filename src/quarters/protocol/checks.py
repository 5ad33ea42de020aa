"""Messages about checks: what is wrong with a repository's rows, package files, signatures and indexes."""

from enum import StrEnum

import msgspec


class Damage(StrEnum):
    """What can be wrong."""

    FILE_MISSING = "file_missing"
    FILE_DAMAGED = "file_damaged"
    FILE_EXTRA = "file_extra"
    ROW_DAMAGED = "row_damaged"
    ROW_MISSING = "row_missing"
    ROW_EXTRA = "row_extra"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_DAMAGED = "signature_damaged"
    INDEX_MISSING = "index_missing"
    INDEX_DAMAGED = "index_damaged"
    INDEX_EXTRA = "index_extra"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong: with what, and in a sentence for people."""

    damage: Damage
    subject: str
    sentence: str


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Check a repository, and with `repair` mend what can be mended."""

    repair: bool = False


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found among so many `packages`; `repairs` are sentences about what was done."""

    repository: str
    snapshot: int
    packages: int
    findings: tuple[Finding, ...] = ()
    repairs: tuple[str, ...] = ()
