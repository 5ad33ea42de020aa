"""Rows of withdrawals: pkgbases whose packages, or some of them, are to leave a repository."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, insert, select

from quarters.model.build import OPEN, State
from quarters.planning.withdrawal import Built
from quarters.storage.schema import builds, entries, packages, recipes, sources, withdrawals


class Withdrawal(msgspec.Struct, frozen=True):
    """That the recipe `pkgbase` left `source`, or makes less than before, and since when."""

    pkgbase: str
    source: str
    at: datetime


class Makers(msgspec.Struct, frozen=True):
    """What the recipes of all of a repository's sources stand for: the names they make, and their pkgbases."""

    made: frozenset[str]
    bases: frozenset[str]


def note(connection: Connection, source: str, pkgbases: Collection[str], now: datetime) -> None:
    """Note that recipes of `source` left it, or make less, at this time."""
    query = select(sources.c.repository).where(sources.c.name == source)
    repository = connection.execute(query).scalar_one()
    settle(connection, repository, pkgbases)
    rows = [
        {"repository": repository, "pkgbase": pkgbase, "source": source, "at": now} for pkgbase in pkgbases
    ]
    if rows:
        connection.execute(insert(withdrawals), rows)


def of(connection: Connection, repository: str) -> list[Withdrawal]:
    """All of a repository, by pkgbase."""
    query = select(withdrawals.c.pkgbase, withdrawals.c.source, withdrawals.c.at)
    rows = connection.execute(
        query.where(withdrawals.c.repository == repository).order_by(withdrawals.c.pkgbase)
    )
    return [Withdrawal(row.pkgbase, row.source, row.at) for row in rows]


def unfinished(connection: Connection, source: str, pkgbases: Collection[str]) -> list[int]:
    """Builds of these recipes of `source` that are not over, but for those whose packages are being published."""
    states = sorted(OPEN - {State.PUBLISHING})
    query = select(builds.c.id).where(builds.c.source == source, builds.c.pkgbase.in_(pkgbases))
    return list(connection.execute(query.where(builds.c.state.in_(states)).order_by(builds.c.id)).scalars())


def settle(connection: Connection, repository: str, pkgbases: Collection[str]) -> None:
    """Forget these: nothing of them is left to go."""
    connection.execute(
        delete(withdrawals).where(withdrawals.c.repository == repository, withdrawals.c.pkgbase.in_(pkgbases))
    )


def repositories(connection: Connection) -> list[str]:
    """The repositories that have any, by name."""
    return list(
        connection.execute(
            select(withdrawals.c.repository).distinct().order_by(withdrawals.c.repository)
        ).scalars()
    )


def built(connection: Connection, repository: str, pkgbases: Collection[str]) -> list[Built]:
    """The packages of these pkgbases that the served snapshot lists and that were built for it."""
    query = (
        select(entries.c.arch, packages.c.name, packages.c.base, packages.c.version)
        .join(packages, packages.c.sha256 == entries.c.sha256)
        .where(entries.c.repository == repository, entries.c.until.is_(None))
        .where(packages.c.base.in_(pkgbases), packages.c.build.is_not(None))
    )
    return [
        Built(arch=row.arch, name=row.name, base=row.base, version=row.version)
        for row in connection.execute(query)
    ]


def makers(connection: Connection, repository: str) -> Makers:
    """What recipes stand for; those of disabled sources too, since these are only not followed."""
    query = (
        select(recipes.c.pkgbase, recipes.c.recipe)
        .join(sources, sources.c.name == recipes.c.source)
        .where(sources.c.repository == repository)
    )
    made: set[str] = set()
    bases: set[str] = set()
    for row in connection.execute(query):
        bases.add(row.pkgbase)
        made.update(output["name"] for output in (row.recipe or {}).get("outputs", ()))
    return Makers(frozenset(made), frozenset(bases))


def being_built(connection: Connection, repository: str, pkgbases: Collection[str]) -> set[str]:
    """Those of `pkgbases` that have unfinished builds."""
    query = select(builds.c.pkgbase).where(
        builds.c.repository == repository, builds.c.pkgbase.in_(pkgbases), builds.c.state.in_(sorted(OPEN))
    )
    return set(connection.execute(query.distinct()).scalars())
