"""Which ready builds a builder gets for its free slots."""

from collections.abc import Collection, Iterable
from datetime import datetime

import msgspec

from quarters.model.build import Build, State
from quarters.model.builder import Builder, BuilderState


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A build that may be claimed: `path` is the length of the longest chain that waits for it (order.remaining_path)."""

    build: Build
    path: int = 0
    lost_by: str | None = None
    """The builder that lost this build's latest attempt, if that is how it ended."""


def choose(
    builder: Builder, free: int, ready: Iterable[Ready], *, others: Collection[Builder] = (), now: datetime
) -> list[Build]:
    """At most `free` builds for `builder`, the most urgent first; `others` are the other builders that are alive."""
    if builder.state is not BuilderState.ENABLED or free <= 0:
        return []
    eligible = [entry for entry in ready if _may_have(builder, entry, others, now)]
    return [entry.build for entry in sorted(eligible, key=_urgency)[:free]]


def _may_have(builder: Builder, entry: Ready, others: Collection[Builder], now: datetime) -> bool:
    build = entry.build
    if build.state is not State.READY or build.arch not in builder.arches:
        return False
    if build.not_before is not None and build.not_before > now:
        return False
    # A build that nobody else could take goes back to the builder that lost it, or it would never run again.
    return entry.lost_by != builder.name or not any(_takes(other, build) for other in others)


def _takes(builder: Builder, build: Build) -> bool:
    return builder.state is BuilderState.ENABLED and build.arch in builder.arches


def _urgency(entry: Ready) -> tuple[int, int, datetime, int]:
    return (-entry.build.priority, -entry.path, entry.build.created_at, entry.build.id)
