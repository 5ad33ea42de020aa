"""Builds that belong together: what they make becomes visible at once, or not at all."""

from datetime import datetime
from enum import StrEnum

import msgspec


class RebuildState(StrEnum):
    """Where a rebuild stands."""

    OPEN = "open"
    """Not all of its builds have succeeded."""
    COMPLETE = "complete"
    """It is about to be published."""
    PUBLISHED = "published"
    DROPPED = "dropped"
    MERGED = "merged"
    """Another rebuild took its builds over, since both had to build the same."""


PENDING = frozenset({RebuildState.OPEN, RebuildState.COMPLETE})
"""States in which what was built is not visible yet."""


class Rebuild(msgspec.Struct, frozen=True, kw_only=True):
    """A group of builds that is published in one swap; times are aware and UTC."""

    id: int
    repository: str
    requester: str
    created_at: datetime
    state: RebuildState
    detail: str = ""
    """Why, in words."""
    message: str = ""
    """What it waits for beside its builds, or how it ended."""
    staging: str = ""
    """The repository that holds what was built so far, which only its own builders look into."""
    left_out: tuple[str, ...] | None = None
    """What may be left with a library that is there no more when it is published; None is anything."""
    into: int | None = None
    """The rebuild that took its builds over."""
    ended_at: datetime | None = None
