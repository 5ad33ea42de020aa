"""How much there is of everything, for whoever watches over a server."""

from datetime import datetime

import msgspec
from sqlalchemy import Connection, func, select

from quarters.model.build import OPEN
from quarters.model.builder import Builder
from quarters.model.repository import Repository
from quarters.storage import builders, repositories
from quarters.storage.schema import builds, queues, snapshots
from quarters.storage.schema import repositories as repositories_


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """Unfinished builds that are alike: how many, and when the oldest of them was asked for."""

    arch: str
    wanted: str
    """The class that a builder needs: a number, or the name of the only builder that may."""
    state: str
    count: int
    oldest: datetime


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A repository and what its clients see now: the snapshot's number (0: none yet) and how many packages it lists."""

    repository: Repository
    number: int
    packages: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, of one moment."""

    queued: list[Queued]
    builders: list[Builder]
    served: list[Served]


def read(connection: Connection) -> Figures:
    """In a few milliseconds, however much was built: what is over is not looked at."""
    return Figures(
        queued=_queued(connection), builders=builders.listed(connection), served=_served(connection)
    )


def _queued(connection: Connection) -> list[Queued]:
    counted = (
        select(
            builds.c.state,
            builds.c.queue,
            func.count().label("number"),
            func.min(builds.c.created_at).label("oldest"),
        )
        .where(builds.c.state.in_(sorted(OPEN)))
        .group_by(builds.c.state, builds.c.queue)
        .subquery()
    )
    rows = connection.execute(
        select(counted, queues.c.arch, queues.c.build_class, queues.c.only_builder).join(
            queues, queues.c.id == counted.c.queue
        )
    )
    found: dict[tuple[str, str, str], Queued] = {}
    for row in rows:
        key = row.arch, row.only_builder or str(row.build_class), row.state
        one = Queued(arch=key[0], wanted=key[1], state=key[2], count=row.number, oldest=row.oldest)
        if (other := found.get(key)) is not None:
            one = msgspec.structs.replace(
                one, count=one.count + other.count, oldest=min(one.oldest, other.oldest)
            )
        found[key] = one
    return list(found.values())


def _served(connection: Connection) -> list[Served]:
    query = select(repositories_.c.name, repositories_.c.current, snapshots.c.packages).outerjoin(
        snapshots,
        (snapshots.c.repository == repositories_.c.name) & (snapshots.c.number == repositories_.c.current),
    )
    known = {row.name: row for row in connection.execute(query)}
    return [
        Served(repository=it, number=known[it.name].current, packages=known[it.name].packages or 0)
        for it in repositories.listed(connection)
    ]
