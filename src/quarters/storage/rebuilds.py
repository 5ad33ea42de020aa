"""Rows of rebuilds: which builds belong to them, what they wait for, how they end; each call belongs in a transaction."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, delete, func, insert, or_, select, update

from quarters.model.build import OPEN, SATISFIED, Build, Cause, State
from quarters.model.errors import Conflict, NotFound
from quarters.model.rebuild import PENDING, Rebuild, RebuildState
from quarters.storage import needs
from quarters.storage.builds import build_of
from quarters.storage.schema import builds, lost_libraries, rebuilds
from quarters.storage.transitions import chunks, is_in

_FIELDS = tuple(field.name for field in msgspec.structs.fields(Rebuild))


def add(connection: Connection, repository: str, requester: str, detail: str, now: datetime) -> int:
    """Begin a rebuild and return its number."""
    values = {
        "repository": repository,
        "requester": requester,
        "detail": detail,
        "created_at": now,
        "state": RebuildState.OPEN,
    }
    return int(connection.execute(insert(rebuilds).values(values).returning(rebuilds.c.id)).scalar_one())


def forget(connection: Connection, number: int) -> None:
    """A rebuild that no build belongs to."""
    connection.execute(delete(rebuilds).where(rebuilds.c.id == number))


def get(connection: Connection, number: int) -> Rebuild:
    """One rebuild, or NotFound."""
    row = connection.execute(select(rebuilds).where(rebuilds.c.id == number)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no rebuild {number}.")
    return _rebuild(row)


def listed(
    connection: Connection, repository: str | None, *, before: int | None = None, limit: int = 100
) -> list[Rebuild]:
    """Rebuilds, newest first, those with a number below `before`."""
    query = select(rebuilds).order_by(rebuilds.c.id.desc()).limit(limit)
    if repository is not None:
        query = query.where(rebuilds.c.repository == repository)
    if before is not None:
        query = query.where(rebuilds.c.id < before)
    return [_rebuild(row) for row in connection.execute(query).mappings()]


def pending(connection: Connection, repository: str | None = None) -> list[Rebuild]:
    """Rebuilds that are not over, the oldest first."""
    query = select(rebuilds).where(rebuilds.c.state.in_(sorted(PENDING))).order_by(rebuilds.c.id)
    if repository is not None:
        query = query.where(rebuilds.c.repository == repository)
    return [_rebuild(row) for row in connection.execute(query).mappings()]


def leftovers(connection: Connection) -> list[str]:
    """Repositories that hold what rebuilds have built which are over."""
    query = select(rebuilds.c.staging).where(
        rebuilds.c.staging != "",
        func.coalesce(rebuilds.c.into, rebuilds.c.id).not_in(
            select(rebuilds.c.id).where(rebuilds.c.state.in_(sorted(PENDING)))
        ),
    )
    return sorted(connection.execute(query).scalars())


def staging(connection: Connection, number: int | None) -> tuple[str, ...]:
    """The repositories that hold what a rebuild has built, its own before those of rebuilds that it took over."""
    if number is None:
        return ()
    mine = or_(rebuilds.c.id == number, rebuilds.c.into == number)
    query = select(rebuilds.c.id, rebuilds.c.staging).where(mine, rebuilds.c.staging != "")
    found = connection.execute(query.order_by(rebuilds.c.id)).all()
    return tuple(row.staging for row in sorted(found, key=lambda row: row.id != number))


def members(connection: Connection, number: int) -> list[Build]:
    """The newest build of each pkgbase and architecture that belongs to a rebuild."""
    query = (
        select(builds)
        .where(builds.c.rebuild == number, ~is_in(builds, [State.SUPERSEDED]))
        .order_by(builds.c.id)
    )
    rows = {(row["pkgbase"], row["arch"]): row for row in connection.execute(query).mappings()}
    return [build_of(row) for row in rows.values()]


def tries(connection: Connection, number: int) -> dict[tuple[str, str], int]:
    """How often a rebuild built each pkgbase for the sake of each library, by pkgbase and soname."""
    query = select(builds.c.pkgbase, builds.c.grounds).where(
        builds.c.rebuild == number, is_in(builds, SATISFIED)
    )
    found: dict[tuple[str, str], int] = {}
    for row in connection.execute(query):
        if library := row.grounds.get("library"):
            found[row.pkgbase, library] = found.get((row.pkgbase, library), 0) + 1
    return found


def tried(connection: Connection, repository: str, arch: str) -> set[tuple[str, str, str]]:
    """What was built again for the sake of a library since that was lost: pkgbase, soname and recipe's fingerprint."""
    here = (lost_libraries.c.repository == repository, lost_libraries.c.arch == arch)
    lost = {
        row.soname: row.lost_at
        for row in connection.execute(select(lost_libraries.c.soname, lost_libraries.c.lost_at).where(*here))
    }
    if not lost:
        return set()
    query = (
        select(
            builds.c.pkgbase, builds.c.fingerprint, builds.c.grounds, builds.c.created_at, rebuilds.c.ended_at
        )
        .outerjoin(rebuilds, rebuilds.c.id == builds.c.rebuild)
        .where(builds.c.repository == repository, builds.c.arch == arch, builds.c.cause == Cause.REBUILD)
    )
    # What was built before the library was lost counts if it became visible with that loss, or later.
    return {
        (row.pkgbase, library, row.fingerprint)
        for row in connection.execute(query)
        if (library := row.grounds.get("library")) in lost
        and max(row.created_at, row.ended_at or row.created_at) >= lost[library]
    }


def change(connection: Connection, number: int, old: RebuildState, **columns: Any) -> None:
    """Change a rebuild that is in the state `old`; Conflict if it is no more."""
    mine = (rebuilds.c.id == number, rebuilds.c.state == old)
    if connection.execute(update(rebuilds).where(*mine).values(**columns)).rowcount == 0:
        raise Conflict(f"Rebuild {number} is no longer {old}.")


def stage(connection: Connection, number: int, repository: str) -> None:
    """Let a rebuild keep what it builds in `repository`."""
    connection.execute(update(rebuilds).where(rebuilds.c.id == number).values(staging=repository))


def unstage(connection: Connection, repository: str) -> None:
    """Forget a repository of what a rebuild has built; the caller removes it."""
    connection.execute(update(rebuilds).where(rebuilds.c.staging == repository).values(staging=""))


def join(connection: Connection, ids: Collection[int], number: int) -> None:
    """Let builds belong to a rebuild; rebuilds that they belong to already become part of it."""
    others: set[int] = set()
    for some in chunks(sorted(ids)):
        query = select(builds.c.rebuild).where(
            builds.c.id.in_(some), builds.c.rebuild.is_not(None), builds.c.rebuild != number
        )
        others.update(connection.execute(query.distinct()).scalars())
        connection.execute(update(builds).where(builds.c.id.in_(some)).values(rebuild=number))
    for other in others & {it.id for it in pending(connection)}:
        _merge(connection, other, number)
    reopened = update(rebuilds).where(rebuilds.c.id == number, rebuilds.c.state == RebuildState.COMPLETE)
    connection.execute(reopened.values(state=RebuildState.OPEN))


def leave(connection: Connection, ids: Collection[int]) -> None:
    """Let builds belong to no rebuild."""
    for some in chunks(sorted(ids)):
        connection.execute(update(builds).where(builds.c.id.in_(some)).values(rebuild=None))


def spread(connection: Connection, repository: str) -> None:
    """What waits for a build of a rebuild belongs to the rebuild as well: it is built with what is not visible yet."""
    for rebuild in pending(connection, repository):
        mine = select(builds.c.id).where(builds.c.rebuild == rebuild.id)
        behind = needs.behind(connection, list(connection.execute(mine).scalars()), OPEN)
        strangers: list[int] = []
        for some in chunks(sorted(behind)):
            query = select(builds.c.id).where(builds.c.id.in_(some))
            others = or_(builds.c.rebuild.is_(None), builds.c.rebuild != rebuild.id)
            strangers += connection.execute(query.where(others)).scalars()
        if strangers:
            join(connection, strangers, rebuild.id)


def _merge(connection: Connection, number: int, into: int) -> None:
    connection.execute(update(builds).where(builds.c.rebuild == number).values(rebuild=into))
    message = f"Rebuild {into} took over: both had to build the same."
    connection.execute(
        update(rebuilds)
        .where(rebuilds.c.id == number)
        .values(state=RebuildState.MERGED, into=into, message=message)
    )
    connection.execute(update(rebuilds).where(rebuilds.c.into == number).values(into=into))


def _rebuild(row: RowMapping) -> Rebuild:
    return msgspec.convert({name: row[name] for name in _FIELDS}, Rebuild)
