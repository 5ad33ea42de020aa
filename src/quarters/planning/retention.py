"""Which snapshots of a repository are to be kept, and which may go."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec


class Taken(msgspec.Struct, frozen=True):
    """A snapshot's number and when it was made."""

    number: int
    created_at: datetime


class Version(msgspec.Struct, frozen=True):
    """A content that was listed under a name: from the snapshot `since` until just before `until` (None: still)."""

    arch: str
    name: str
    content: str
    since: int
    until: int | None


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept; 0 is no such rule, and without any rule everything is kept."""

    versions: int = 0
    days: int = 0


def expired(
    snapshots: Sequence[Taken],
    versions: Iterable[Version],
    pinned: Collection[int],
    rules: Rules,
    now: datetime,
) -> list[int]:
    """The numbers of those of `snapshots` (all of a repository's) that no rule keeps, lowest first.

    The newest and the pinned ones are always kept. `days` counts from when the next one took a snapshot's place, so that
    every moment of that time can be gone back to. For each of a package's `versions` newest contents the last snapshot
    that lists it is kept. `versions` have to come by architecture and name, the newest first.
    """
    if not (rules.versions or rules.days) or not snapshots:
        return []
    ordered = sorted(snapshots, key=lambda it: it.number)
    kept = {ordered[-1].number, *pinned}
    if rules.days:
        since = now - timedelta(days=rules.days)
        kept.update(one.number for one, following in pairwise(ordered) if following.created_at >= since)
    if rules.versions:
        kept.update(_lasts([it.number for it in ordered], versions, rules.versions))
    return [it.number for it in ordered if it.number not in kept]


def _lasts(numbers: Sequence[int], versions: Iterable[Version], count: int) -> Iterable[int]:
    """Of each package's newest contents, the last snapshot that lists each."""
    there = set(numbers)
    place: tuple[str, str] | None = None
    seen: set[str] = set()
    for version in versions:
        if (version.arch, version.name) != place:
            place, seen = (version.arch, version.name), set()
        if version.content in seen or len(seen) == count:
            continue
        seen.add(version.content)
        last = numbers[-1] if version.until is None else version.until - 1
        # The very last may have gone by other rules before; the interval then still holds an earlier one.
        while last not in there and last >= version.since:
            last -= 1
        if last >= version.since:
            yield last
