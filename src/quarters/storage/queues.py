"""Queues: ready builds that are alike in who may build them, so that a claim need not look at each of thousands."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    Row,
    RowMapping,
    Select,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    union_all,
)

from quarters.model.build import Build
from quarters.planning.assignment import Ready
from quarters.planning.farm import Queue
from quarters.planning.refusals import JUST
from quarters.storage.schema import attempts, builds, queues
from quarters.storage.schema.columns import Time

# In these very words, or neither engine sees that the index over just these rows serves.
_IS_READY = text("builds.state = 'ready'")
_IS_RUNNING = text("builds.state = 'running'")
_BUILD = [builds.c[name] for name in Build.__struct_fields__]
_ANY = 1 << 62
# Statements that claims need are made once: to make one takes longer than to carry it out.
_FITS = (
    or_(builds.c.not_before.is_(None), builds.c.not_before <= bindparam("now", type_=Time)),
    builds.c.memory.between(bindparam("least_memory"), bindparam("most_memory")),
    builds.c.disk.between(bindparam("least_disk"), bindparam("most_disk")),
)
_LOST = and_(
    attempts.c.build == builds.c.id,
    attempts.c.number == builds.c.attempt,
    attempts.c.outcome == "lost",
    attempts.c.ended_at > bindparam("long_ago", type_=Time),
)
_STANDINGS = select(
    queues,
    select(func.min(builds.c.due))
    .where(builds.c.queue == queues.c.id, _IS_READY, *_FITS)
    .scalar_subquery()
    .label("head"),
    select(func.count()).where(builds.c.queue == queues.c.id, _IS_RUNNING).scalar_subquery().label("running"),
)
_NEXT_BACKOFF = select(
    select(func.min(builds.c.not_before))
    .where(builds.c.queue == queues.c.id, _IS_READY, builds.c.not_before > bindparam("now", type_=Time))
    .scalar_subquery()
    .label("later")
).where(queues.c.arch.in_(bindparam("arches", expanding=True)))


class Room(msgspec.Struct, frozen=True):
    """What a build may need at most, in bytes; None is any amount. `unknown`: also where it is not known."""

    memory: int | None = None
    disk: int | None = None
    unknown_memory: bool = True
    unknown_disk: bool = True

    def values(self) -> dict[str, int]:
        """As statements take it."""
        return {
            "least_memory": 0 if self.unknown_memory else 1,
            "most_memory": _ANY if self.memory is None else self.memory,
            "least_disk": 0 if self.unknown_disk else 1,
            "most_disk": _ANY if self.disk is None else self.disk,
        }


class Standing(msgspec.Struct, frozen=True):
    """A queue with the moment at which its first build was due (None: none is ready), and how many are running."""

    id: int
    queue: Queue
    head: datetime | None
    running: int


def ensure(connection: Connection, wanted: Collection[Queue]) -> dict[Queue, int]:
    """The number of each of these queues; those that are new begin to exist."""
    found = _numbers(connection, wanted)
    missing = [queue for queue in wanted if queue not in found]
    if not missing:
        return found
    connection.execute(insert(queues), [msgspec.structs.asdict(queue) for queue in missing])
    return found | _numbers(connection, missing)


def standings(connection: Connection, now: datetime, room: Room | None = None) -> list[Standing]:
    """Every queue that has builds which are running, or which are ready and fit into `room`."""
    found = connection.execute(_STANDINGS, {"now": now, **(room or Room()).values()})
    return [
        Standing(row.id, _queue(row), row.head, row.running)
        for row in found
        if row.head is not None or row.running
    ]


def heads(connection: Connection, ids: Sequence[int], now: datetime, room: Room, limit: int) -> list[Ready]:
    """The `limit` builds of each of these queues that are due first, of those that fit into `room`."""
    if not ids:
        return []
    values = {f"queue{number}": queue for number, queue in enumerate(ids)}
    moments = {"now": now, "long_ago": now - JUST}
    found = connection.execute(_heads(len(ids)), {**moments, "at_most": limit, **values, **room.values()})
    return [_ready(row) for row in found.mappings()]


def next_backoff(connection: Connection, arches: Collection[str], now: datetime) -> datetime | None:
    """When the next ready build for one of these architectures may be tried again."""
    found = connection.execute(_NEXT_BACKOFF, {"now": now, "arches": sorted(arches)})
    return min((row.later for row in found if row.later is not None), default=None)


def lost_by(connection: Connection, build: int, now: datetime) -> str | None:
    """The builder that lost the latest attempt of `build`, if that is how it ended, not long ago."""
    query = select(attempts.c.builder).select_from(builds).join(attempts, _LOST).where(builds.c.id == build)
    return connection.execute(query, {"long_ago": now - JUST}).scalar_one_or_none()


def due_of(connection: Connection, build: int) -> datetime:
    """When `build` should begin."""
    due: datetime = connection.execute(select(builds.c.due).where(builds.c.id == build)).scalar_one()
    return due


def due_before(
    connection: Connection, arch: str, now: datetime, until: Iterable[tuple[str, datetime]]
) -> dict[str, int]:
    """By source, how many builds for `arch` may be given out and are due before the moment that stands beside it."""
    query = (
        select(queues.c.source, func.count().label("count"))
        .join(builds, builds.c.queue == queues.c.id)
        .where(queues.c.arch == arch, _IS_READY, *_FITS)
        .where(or_(*(and_(queues.c.source == source, builds.c.due < due) for source, due in until)))
        .group_by(queues.c.source)
    )
    found = connection.execute(query, {"now": now, **Room().values()})
    return {row.source: row._mapping["count"] for row in found}


@cache
def _heads(count: int) -> Select[Any]:
    """The first builds of so many queues."""
    each = (
        select(builds.c.id)
        .where(builds.c.queue == bindparam(f"queue{number}"), _IS_READY, *_FITS)
        .order_by(builds.c.due, builds.c.id)
        .limit(bindparam("at_most"))
        .subquery()
        for number in range(count)
    )
    first = union_all(*(select(one) for one in each)).subquery()
    return (
        select(*_BUILD, builds.c.chain, attempts.c.builder.label("lost_by"))
        .join(first, first.c.id == builds.c.id)
        .outerjoin(attempts, _LOST)
    )


def _ready(known: RowMapping) -> Ready:
    build = msgspec.convert({name: known[name] for name in Build.__struct_fields__}, Build)
    return Ready(build=build, path=known["chain"], lost_by=known["lost_by"])


def _queue(row: Row[Any]) -> Queue:
    return Queue(row.arch, row.repository, row.source, row.build_class, row.only_builder)


def _numbers(connection: Connection, wanted: Collection[Queue]) -> dict[Queue, int]:
    names = [queues.c[name] for name in Queue.__struct_fields__]
    query = select(queues).where(tuple_(*names).in_([msgspec.structs.astuple(queue) for queue in wanted]))
    return {_queue(row): row.id for row in connection.execute(query)}
