"""Rows of what waiting builds lack: needs that an upstream is to satisfy."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select, update

from quarters.model.build import OPEN
from quarters.model.recipe import NeedKind
from quarters.planning.lacks import Lack
from quarters.storage.schema import builds, lacks
from quarters.storage.transitions import chunks


def put(connection: Connection, found: Mapping[int, Sequence[Lack]]) -> None:
    """Store what each of these builds lacks, in place of what it lacked before; what lacks something says so."""
    drop(connection, found)
    rows = [
        {"build": build, "dependency": one.dependency, "kind": one.kind, "there": one.there}
        for build, its in found.items()
        for one in its
    ]
    if rows:
        connection.execute(insert(lacks), rows)
    for build, its in found.items():
        if its:
            message = f"Waits for {'; and '.join(one.told() for one in its)}."
            connection.execute(update(builds).where(builds.c.id == build).values(message=message))


def drop(connection: Connection, ids: Collection[int]) -> None:
    """These builds lack nothing."""
    for some in chunks(sorted(ids)):
        connection.execute(delete(lacks).where(lacks.c.build.in_(some)))


def of(connection: Connection, build: int) -> tuple[Lack, ...]:
    """What one build lacks."""
    rows = connection.execute(select(lacks).where(lacks.c.build == build).order_by(lacks.c.dependency))
    return tuple(Lack(dependency=row.dependency, kind=NeedKind(row.kind), there=row.there) for row in rows)


def unfinished(connection: Connection, repository: str, arch: str) -> dict[int, tuple[Lack, ...]]:
    """By unfinished build of `repository` and `arch` that lacks something, what that is."""
    query = (
        select(lacks)
        .join(builds, builds.c.id == lacks.c.build)
        .where(builds.c.repository == repository, builds.c.arch == arch, builds.c.state.in_(sorted(OPEN)))
        .order_by(lacks.c.build, lacks.c.dependency)
    )
    found: dict[int, list[Lack]] = {}
    for row in connection.execute(query):
        one = Lack(dependency=row.dependency, kind=NeedKind(row.kind), there=row.there)
        found.setdefault(row.build, []).append(one)
    return {build: tuple(its) for build, its in found.items()}
