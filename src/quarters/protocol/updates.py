"""What a client asks about the upstreams of a tree's recipes, and what it is told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(max_length=255)]


class UpdateWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Upstreams to look at now: those of `packages`, () for all; with `trigger`, recipes to build now instead.

    A `dry_run` changes nothing, and tells what would be.
    """

    packages: tuple[Name, ...] = ()
    trigger: Name = ""
    dry_run: bool = False


class UpdateReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did, or would do: everything by folder of the tree."""

    looked: int = 0
    """How many recipes it looked at."""
    committed: tuple[str, ...] = ()
    commit: str = ""
    waiting: tuple[str, ...] = ()
    """Changes that wait for a review."""
    builds: Mapping[str, str] = {}
    """What is to be built, and why."""
    published: tuple[str, ...] = ()
    """What was pushed to the AUR."""
    problems: Mapping[str, str] = {}
    """What could not be looked at, and why."""
    problem: str = ""
    """Why the run as a whole could not do everything."""
    pending: bool = False
    """Whether it is still to be done."""


class Stale(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe whose upstream cannot be looked at."""

    path: str
    problem: str
    failures: int
    retry_at: datetime | None = None


class UpdatesView(msgspec.Struct, frozen=True, kw_only=True):
    """How the updates of a source go."""

    next_at: datetime | None = None
    ended_at: datetime | None = None
    commit: str = ""
    committed: tuple[str, ...] = ()
    problem: str = ""
    triggers: Mapping[str, datetime] = {}
    """When each named trigger fires next."""
    stale: tuple[Stale, ...] = ()
