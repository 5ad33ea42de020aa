"""Which requests want which builds: who started one, who joined it later, and who wants it no more."""

from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Connection, Select, delete, insert, select, update

from quarters.model.build import OPEN
from quarters.model.errors import NotFound
from quarters.storage.schema import builds, requests, successions, wishes
from quarters.storage.transitions import chunks


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A request that wants, or wanted, a build."""

    request: int
    requester: str
    created_at: datetime
    withdrawn: bool = False


def add(connection: Connection, request: int, ids: Collection[int]) -> None:
    """Note that `request` wants these builds; saying it again does no harm."""
    for some in chunks(sorted(ids)):
        known = select(wishes.c.build).where(wishes.c.request == request, wishes.c.build.in_(some))
        there = set(connection.execute(known).scalars())
        rows = [
            {"request": request, "build": build, "withdrawn": False} for build in some if build not in there
        ]
        if rows:
            connection.execute(insert(wishes), rows)


def move(connection: Connection, moves: Mapping[int, int]) -> None:
    """Who wants an old build wants the new one that takes its place, by old one."""
    for some in chunks(sorted(moves)):
        query = select(wishes.c.request, wishes.c.build).where(wishes.c.build.in_(some), ~wishes.c.withdrawn)
        wanted: dict[int, set[int]] = {}
        for request, build in connection.execute(query):
            wanted.setdefault(request, set()).add(moves[build])
        for request, ids in wanted.items():
            add(connection, request, ids)


def pass_on(connection: Connection, request: int, to: int) -> None:
    """What `request` wants, now or once a running build has ended, the request `to` wants instead."""
    connection.execute(update(successions).where(successions.c.request == request).values(request=to))
    ids = connection.execute(select(wishes.c.build).where(wishes.c.request == request)).scalars().all()
    connection.execute(delete(wishes).where(wishes.c.request == request))
    add(connection, to, ids)


def withdraw(connection: Connection, request: int) -> tuple[list[int], list[int]]:
    """Let `request` want nothing more; of its unfinished builds, those that nobody wants now, and those that others do.

    NotFound if there is no such request.
    """
    if connection.execute(select(requests.c.id).where(requests.c.id == request)).first() is None:
        raise NotFound(f"There is no request {request}.")
    query = (
        select(wishes.c.build)
        .join(builds, builds.c.id == wishes.c.build)
        .where(wishes.c.request == request, ~wishes.c.withdrawn, builds.c.state.in_(sorted(OPEN)))
    )
    mine = sorted(connection.execute(query).scalars())
    connection.execute(update(wishes).where(wishes.c.request == request).values(withdrawn=True))
    kept: set[int] = set()
    for some in chunks(mine):
        others = select(wishes.c.build).where(wishes.c.build.in_(some), ~wishes.c.withdrawn)
        kept.update(connection.execute(others).scalars())
    return [build for build in mine if build not in kept], sorted(kept)


def wanted_by(request: int) -> Select[tuple[int]]:
    """A query for the builds that `request` wants or wanted."""
    return select(wishes.c.build).where(wishes.c.request == request)


def of(connection: Connection, build: int) -> tuple[Wish, ...]:
    """Who wants or wanted `build`, in the order in which they asked."""
    query = (
        select(wishes.c.request, requests.c.requester, requests.c.created_at, wishes.c.withdrawn)
        .join(requests, requests.c.id == wishes.c.request)
        .where(wishes.c.build == build)
        .order_by(wishes.c.request)
    )
    return tuple(Wish(**row) for row in connection.execute(query).mappings())
