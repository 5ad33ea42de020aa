"""Chooses builds for a builder from rows, in a few statements however many builds wait."""

from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from quarters.model.build import Build
from quarters.model.builder import Builder
from quarters.planning.assignment import Ready, choose
from quarters.planning.farm import Assumed, Farm, Host
from quarters.planning.shortlist import SPARE, Head, shortlist
from quarters.scheduler.settings import SchedulerSettings
from quarters.storage import builders, leases, queues, repositories, shares, sources
from quarters.storage.queues import Room, Standing


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings say about who is given what; 0 is no limit."""

    limit: int = 0
    assumed: Assumed = Assumed()

    @classmethod
    def of(cls, settings: SchedulerSettings) -> "Rules":
        """As the configuration has them."""
        return cls(
            limit=settings.max_running, assumed=Assumed(settings.assumed_memory, settings.assumed_disk)
        )


class Selection(msgspec.Struct, frozen=True):
    """The builds that a builder gets, and what all sources that want something compete for."""

    builds: list[Build]
    competing: frozenset[str] = frozenset()


def select(
    connection: Connection, builder: Builder, free: int, alive_since: datetime, rules: Rules, now: datetime
) -> Selection:
    """What `builder` gets for its `free` slots; builders seen since `alive_since` count as there."""
    if free <= 0:
        return Selection([])
    host = host_of(connection, builder, free, rules)
    room = _room(host, rules.assumed)
    found = queues.standings(connection, now, room)
    farm = farm_of(connection, found, rules, now)
    listed = shortlist(_heads(found), host, farm, now)
    ready = queues.heads(connection, listed.queues, now, room, free + SPARE)
    large = _too_large_for_now(connection, found, host, farm, now)
    ready += large
    if any(entry.lost_by == builder.name for entry in ready):
        farm = msgspec.structs.replace(farm, others=tuple(builders.alive(connection, alive_since)))
    running = leases.running_on(connection, builder.name) if large else ()
    chosen = choose(host, ready, farm, now, competing=listed.sources, running=running)
    return Selection(chosen, listed.sources)


def _too_large_for_now(
    connection: Connection, found: Collection[Standing], host: Host, farm: Farm, now: datetime
) -> list[Ready]:
    """The first build of each queue that `host` has no room for only because of what it is running."""
    if not (host.memory or host.disk):
        return []
    room = _room(msgspec.structs.replace(host, memory=0, disk=0), farm.assumed)
    fitting = {one.id: one.head for one in found}
    larger = [one for one in queues.standings(connection, now, room) if one.head != fitting.get(one.id)]
    if not larger:
        return []
    listed = shortlist(_heads(larger), host, farm, now)
    return queues.heads(connection, listed.queues, now, room, 1)


def is_worth_it(connection: Connection, builder: Builder, rules: Rules, now: datetime) -> bool:
    """Whether there may be anything for a free slot of `builder`."""
    host = host_of(connection, builder, 1, rules)
    found = queues.standings(connection, now, _room(host, rules.assumed))
    heads = _heads(found)
    return bool(heads and shortlist(heads, host, farm_of(connection, found, rules, now), now).queues)


def host_of(connection: Connection, builder: Builder, free: int, rules: Rules) -> Host:
    """`builder` with what its builds take of it."""
    measured = builder.memory or builder.disk
    loads = leases.loads(connection, builder.name) if measured else {}
    return Host.of(builder, free, loads.get(builder.name, ()), rules.assumed)


def farm_of(
    connection: Connection,
    found: Collection[Standing],
    rules: Rules,
    now: datetime,
    others: tuple[Builder, ...] = (),
) -> Farm:
    """Limits, what of them is used, and `others` that might take what a builder lost."""
    of_repository: dict[str, int] = {}
    of_source: dict[str, int] = {}
    for one in found:
        of_repository[one.queue.repository] = of_repository.get(one.queue.repository, 0) + one.running
        of_source[one.queue.source] = of_source.get(one.queue.source, 0) + one.running
    return Farm(
        limit=rules.limit,
        repository_limits=repositories.limits(connection),
        source_limits=sources.limits(connection),
        running=sum(one.running for one in found),
        running_of_repository=of_repository,
        running_of_source=of_source,
        served=_served(connection, found, now),
        assumed=rules.assumed,
        others=others,
    )


def _served(connection: Connection, found: Collection[Standing], now: datetime) -> Mapping[str, float]:
    if len({one.queue.source for one in found if one.head}) < 2:
        return {}  # it shares with nobody
    return {source: service.remembered(now) for source, service in shares.served(connection).items()}


def _heads(found: Collection[Standing]) -> list[Head]:
    return [Head(one.id, one.queue, one.head) for one in found if one.head is not None]


def _room(host: Host, assumed: Assumed) -> Room:
    """What a build may need to fit on `host` now, so that those that do not are not even read."""
    memory, disk = host.builder.memory, host.builder.disk
    free_memory, free_disk = max(0, memory - host.memory), max(0, disk - host.disk)
    return Room(
        memory=free_memory if memory else None,
        disk=free_disk if disk else None,
        unknown_memory=not memory or min(assumed.memory, memory) <= free_memory,
        unknown_disk=not disk or min(assumed.disk, disk) <= free_disk,
    )
