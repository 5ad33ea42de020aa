"""Which ready builds a builder gets for its free slots, and by which rule it does not get the others."""

from collections.abc import Collection, Iterable
from datetime import datetime

import msgspec

from quarters.model.build import Build, State
from quarters.model.builder import Builder, BuilderState
from quarters.planning.farm import Farm, Host, Queue, disk_of, memory_of
from quarters.planning.order import ASSUMED_DURATION, due
from quarters.planning.quarantine import is_quarantined
from quarters.planning.refusals import (
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
from quarters.planning.reservation import Running, expected_end, is_due_for_room, reserve
from quarters.planning.shares import handicap


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A build in the state ready: `path` is the seconds of the longest chain that begins with it (order.remaining_path)."""

    build: Build
    path: int = 0
    lost_by: str | None = None
    """The builder that lost this build's latest attempt, if that is how it ended, not long ago (refusals.JUST)."""

    @property
    def due(self) -> datetime:
        """When it should begin."""
        return due(self.build.created_at, self.build.priority, self.path)


def choose(
    host: Host,
    ready: Iterable[Ready],
    farm: Farm,
    now: datetime,
    *,
    competing: Collection[str] = (),
    running: Iterable[Running] = (),
) -> list[Build]:
    """The builds that `host`, on which others are `running`, gets for its free slots, the most urgent first.

    `competing` are the sources that want something now, beside those of `ready`. Room is kept for the most urgent build
    that has waited long enough for it.
    """
    running, kept = list(running), None
    candidates = _candidates(ready, host, farm, now, late=True)
    sources = {*competing, *(entry.build.source for entry in candidates)}
    chosen: list[Build] = []
    while candidates and host.free > 0:
        late = {source: handicap(source, farm.served, sources) for source in sources}
        first = min(candidates, key=lambda entry: (entry.due + late[entry.build.source], entry.build.id))
        build, candidates = first.build, [entry for entry in candidates if entry is not first]
        if refusal(first, host, farm, now) is not None:
            kept = reserve(build, host, running, farm.assumed, now)
        elif kept is None or (left := kept.beside(build, host, farm.assumed, now)) is not None:
            kept = None if kept is None else left
            chosen.append(build)
            running.append(Running(build.memory, build.disk, ends_at=expected_end(build, now)))
            farm = farm.with_one_more(build, build.duration or ASSUMED_DURATION)
            host = host.with_one_more(build, farm.assumed)
        candidates = _candidates(candidates, host, farm, now, late=kept is None) if host.free > 0 else []
    return chosen


def _candidates(ready: Iterable[Ready], host: Host, farm: Farm, now: datetime, *, late: bool) -> list[Ready]:
    """Those that `host` may be given and, if `late`, those for which it is time that room is kept."""
    found = []
    for entry in ready:
        if entry.build.state is State.READY:
            no = refusal(entry, host, farm, now)
            if no is None or (late and is_due_for_room(entry.build, no, now)):
                found.append(entry)
    return found


def refusal(entry: Ready, host: Host, farm: Farm, now: datetime) -> Refusal | None:
    """The first rule that keeps the build from `host`, if one does; what will not pass by itself comes before what may."""
    build = entry.build
    return (
        _backoff(build, now)
        or _limits(build, farm)
        or _capable(build, host.builder)
        or _large_enough(build, host.builder)
        or _enabled(host.builder, now)
        or _not_lost(entry, host, farm, now)
        or _room(build, host, farm)
    )


def closed(queue: Queue, host: Host, farm: Farm, now: datetime) -> Refusal | None:
    """The rule that keeps every build of `queue` from `host`, if there is one."""
    return _limits(queue, farm) or _capable(queue, host.builder) or _enabled(host.builder, now)


def suited(kind: Queue | Build, builders: Iterable[Builder]) -> list[Builder]:
    """Those of `builders` that may be given such builds, as soon as they are there and have room."""
    return [it for it in builders if it.state is not BuilderState.DISABLED and _capable(kind, it) is None]


def _backoff(build: Build, now: datetime) -> Refusal | None:
    return Backoff(build.not_before) if build.not_before is not None and build.not_before > now else None


def _limits(kind: Queue | Build, farm: Farm) -> Refusal | None:
    if 0 < farm.limit <= farm.running:
        return ServerLimit(farm.limit)
    limit = farm.repository_limits.get(kind.repository, 0)
    if 0 < limit <= farm.running_of_repository.get(kind.repository, 0):
        return RepositoryLimit(kind.repository, limit)
    limit = farm.source_limits.get(kind.source, 0)
    if 0 < limit <= farm.running_of_source.get(kind.source, 0):
        return SourceLimit(kind.source, limit)
    return None


def _capable(kind: Queue | Build, builder: Builder) -> Refusal | None:
    if kind.arch not in builder.arches:
        return OtherArch(kind.arch)
    if kind.only_builder not in ("", builder.name):
        return OtherBuilder(kind.only_builder)
    if kind.build_class > builder.build_class:
        return TooLowClass(kind.build_class, builder.build_class)
    return None


def _large_enough(build: Build, builder: Builder) -> Refusal | None:
    if 0 < builder.memory < build.memory:
        return TooLittleMemory(build.memory, builder.memory)
    if 0 < builder.disk < build.disk:
        return TooLittleDisk(build.disk, builder.disk)
    return None


def _enabled(builder: Builder, now: datetime) -> Refusal | None:
    if builder.state is not BuilderState.ENABLED:
        return NotEnabled(builder.name, builder.state)
    if builder.quarantined_until is not None and is_quarantined(builder, now):
        return Quarantined(builder.name, builder.quarantined_until)
    return None


def _not_lost(entry: Ready, host: Host, farm: Farm, now: datetime) -> Refusal | None:
    # A build that nobody else could take goes back to the builder that lost it, or it would never run again.
    build, name = entry.build, host.builder.name
    if entry.lost_by != name:
        return None
    others = (other for other in farm.others if other.name != name)
    could = any(not (_capable(build, it) or _large_enough(build, it) or _enabled(it, now)) for it in others)
    return JustLost(name) if could else None


def _room(build: Build, host: Host, farm: Farm) -> Refusal | None:
    builder = host.builder
    memory, disk = memory_of(build, builder, farm.assumed), disk_of(build, builder, farm.assumed)
    if builder.memory and memory > builder.memory - host.memory:
        return MemoryInUse(memory, builder.memory - host.memory)
    if builder.disk and disk > builder.disk - host.disk:
        return DiskInUse(disk, builder.disk - host.disk)
    return NoFreeSlot(builder.name) if host.free <= 0 else None
