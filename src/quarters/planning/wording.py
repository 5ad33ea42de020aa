"""The rules by which builders are not given a build, in words."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec

from quarters.model.build import Build
from quarters.model.size import Size
from quarters.planning.refusals import (
    JUST,
    Backoff,
    DiskInUse,
    JustLost,
    MemoryInUse,
    NoFreeSlot,
    NotEnabled,
    OtherArch,
    OtherBuilder,
    Quarantined,
    Refusal,
    RepositoryLimit,
    ServerLimit,
    SourceLimit,
    TooLittleDisk,
    TooLittleMemory,
    TooLowClass,
)


class Ahead(msgspec.Struct, frozen=True):
    """How many ready builds go before one, and how many of those only because its source had more than its share."""

    builds: int = 0
    by_share: int = 0


def taken_next(build: Build, takers: Sequence[str], ahead: Ahead) -> str:
    """For a build that the builders `takers` may have at once."""
    who = f"the builder {takers[0]}" if len(takers) == 1 else f"one of {len(takers)} builders"
    return f"It is ready for {who}{_turn(build, ahead)}."


def refused(build: Build, refusals: Sequence[Refusal], ahead: Ahead) -> str:
    """For a build that no builder gets, with what keeps it from each; the nearest to getting it counts."""
    if not refusals:
        return _no_builder(build)
    nearest = max(_RANK[type(one)] for one in refusals)
    same = [one for one in refusals if _RANK[type(one)] == nearest]
    return f"{WORDS[type(same[0])](build, same)}{_turn(build, ahead) if type(same[0]) in _TURNS else ''}."


def _turn(build: Build, ahead: Ahead) -> str:
    if not ahead.builds:
        return ""
    share = f"because {build.source} had more than its share"
    if ahead.by_share >= ahead.builds:
        builds = (
            "a build of another source goes"
            if ahead.builds == 1
            else f"{ahead.builds} builds of other sources go"
        )
        return f"; {builds} first, {share}"
    builds = "a more urgent build goes" if ahead.builds == 1 else f"{ahead.builds} more urgent builds go"
    return f"; {builds} first" + (f", {ahead.by_share} of them {share}" if ahead.by_share else "")


def _no_builder(build: Build) -> str:
    return f"No builder for {build.arch} is connected; start one with `quarters builder`."


def _backoff(build: Build, found: Sequence[Backoff]) -> str:
    cause = f" after {build.reason.replace('_', ' ')}" if build.reason is not None else ""
    return f"It is tried again{cause}, not before {_moment(found[0].until)}"


def _server_limit(build: Build, found: Sequence[ServerLimit]) -> str:
    return f"The server already runs its {_builds(found[0].limit)}"


def _named_limit(kind: str) -> Callable[[Build, Sequence[RepositoryLimit | SourceLimit]], str]:
    return lambda build, found: f"The {kind} {found[0].name} already runs its {_builds(found[0].limit)}"


def _other_arch(build: Build, found: Sequence[OtherArch]) -> str:
    return _no_builder(build).removesuffix(".")


def _other_builder(build: Build, found: Sequence[OtherBuilder]) -> str:
    return f"It is for the builder {found[0].name}, which is not connected"


def _too_low_class(build: Build, found: Sequence[TooLowClass]) -> str:
    best = max(one.has for one in found)
    return f"It needs class {found[0].needs}; the connected builders for {build.arch} have at most {best}"


def _too_little(what: str) -> Callable[[Build, Sequence[TooLittleMemory | TooLittleDisk]], str]:
    def words(build: Build, found: Sequence[TooLittleMemory | TooLittleDisk]) -> str:
        best = Size(max(one.has for one in found))
        return f"It needs {Size(found[0].needs)} of {what}; the largest builder that could take it has {best}"

    return words


def _not_enabled(build: Build, found: Sequence[NotEnabled]) -> str:
    if len(found) == 1:
        return f"The only builder that could take it, {found[0].builder}, is {found[0].state}"
    return f"The {len(found)} builders that could take it are given no work; see `quarters builders list`"


def _quarantined(build: Build, found: Sequence[Quarantined]) -> str:
    first = min(found, key=lambda one: one.until)
    rest = "; it failed what others build" if len(found) == 1 else ", as are the others that could"
    return f"The builder {first.builder} is in quarantine until {_moment(first.until)}{rest}"


def _just_lost(build: Build, found: Sequence[JustLost]) -> str:
    minutes = JUST // timedelta(minutes=1)
    return f"The builder {found[0].builder} has just lost it; for {minutes} minutes it waits for another one"


def _in_use(what: str) -> Callable[[Build, Sequence[MemoryInUse | DiskInUse]], str]:
    def words(build: Build, found: Sequence[MemoryInUse | DiskInUse]) -> str:
        needs, free = Size(max(one.needs for one in found)), Size(max(0, *(one.free for one in found)))
        return f"It needs {needs} of {what}, of which no builder has more than {free} free at the moment"

    return words


def _no_free_slot(build: Build, found: Sequence[NoFreeSlot]) -> str:
    count = "the only builder" if len(found) == 1 else f"one of the {len(found)} builders"
    return f"It is ready and waits for a free slot on {count} for {build.arch}"


def _builds(count: int) -> str:
    return "one build" if count == 1 else f"{count} builds"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


# From what keeps every builder from it to what the next finished build ends.
WORDS: Mapping[type[Refusal], Callable[[Build, Any], str]] = MappingProxyType(
    {
        Backoff: _backoff,
        ServerLimit: _server_limit,
        RepositoryLimit: _named_limit("repository"),
        SourceLimit: _named_limit("source"),
        OtherArch: _other_arch,
        OtherBuilder: _other_builder,
        TooLowClass: _too_low_class,
        TooLittleMemory: _too_little("memory"),
        TooLittleDisk: _too_little("disk"),
        NotEnabled: _not_enabled,
        Quarantined: _quarantined,
        JustLost: _just_lost,
        MemoryInUse: _in_use("memory"),
        DiskInUse: _in_use("disk"),
        NoFreeSlot: _no_free_slot,
    }
)
_RANK = MappingProxyType({kind: number for number, kind in enumerate(WORDS)})
_TURNS = (MemoryInUse, DiskInUse, NoFreeSlot)
"""What ends by itself when builds end: then it matters who is next."""
