"""A machine that claims builds, and the lease under which it holds one."""

from datetime import datetime
from enum import StrEnum

import msgspec


class BuilderState(StrEnum):
    """Whether a builder is given new work."""

    ENABLED = "enabled"
    DRAINING = "draining"
    """It finishes what it has."""
    DISABLED = "disabled"
    """What it had was taken from it."""


class Builder(msgspec.Struct, frozen=True, kw_only=True):
    """A builder as the server knows it; `version` is the Quarters it runs."""

    name: str
    arches: tuple[str, ...]
    slots: int
    state: BuilderState
    last_seen: datetime
    version: str = ""
    executor: str = ""
    build_class: int = 0
    """It builds what asks for this class or a lower one."""
    memory: int = 0
    """Bytes of memory that its builds share, 0 if it did not say; `disk` likewise."""
    disk: int = 0
    strikes: int = 0
    """Failures in a row that were its own fault (planning.quarantine)."""
    quarantines: int = 0
    """How often in a row it was put into quarantine."""
    quarantined_until: datetime | None = None


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The right to work on one attempt of a build until `expires_at`, renewed by heartbeats."""

    build: int
    attempt: int
    token: str
    expires_at: datetime
