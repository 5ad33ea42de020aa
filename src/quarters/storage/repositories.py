"""Rows of repositories: their settings, and the number of the snapshot that is served."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Text, delete, insert, select, type_coerce, update

from quarters.model.build import OPEN
from quarters.model.errors import Conflict, NotFound
from quarters.model.repository import Repository
from quarters.storage.schema import builds, rebuilds, repositories, sources


def _repository(settings: Any) -> Repository:
    return msgspec.convert(settings, Repository)


def check_free(connection: Connection, name: str) -> None:
    """Conflict if there is a repository of that name."""
    if connection.execute(select(repositories.c.name).where(repositories.c.name == name)).first():
        raise Conflict(f"There is already a repository {name!r}.")


def add(connection: Connection, repository: Repository, now: datetime) -> None:
    """Insert a new repository that has no snapshot yet; Conflict if there is one of that name."""
    check_free(connection, repository.name)
    connection.execute(
        insert(repositories).values(name=repository.name, settings=repository, created_at=now, current=0)
    )


def get(connection: Connection, name: str) -> Repository:
    """One repository, or NotFound."""
    query = select(repositories.c.settings).where(repositories.c.name == name)
    settings = connection.execute(query).scalar_one_or_none()
    if settings is None:
        raise NotFound(f"There is no repository {name!r}.")
    return _repository(settings)


def listed(connection: Connection, *, after: str = "", limit: int | None = None) -> list[Repository]:
    """Repositories by name, those whose name comes after `after`."""
    # What a rebuild has built so far is nobody's repository.
    hidden = select(rebuilds.c.staging)
    query = select(repositories.c.settings).where(
        repositories.c.name > after, repositories.c.name.not_in(hidden)
    )
    rows = connection.execute(query.order_by(repositories.c.name).limit(limit))
    return [_repository(settings) for settings in rows.scalars()]


def change(connection: Connection, repository: Repository) -> None:
    """Replace the settings of the repository of that name, or NotFound."""
    query = update(repositories).where(repositories.c.name == repository.name).values(settings=repository)
    if connection.execute(query).rowcount == 0:
        raise NotFound(f"There is no repository {repository.name!r}.")


def remove(connection: Connection, name: str) -> None:
    """Delete a repository with its builds and snapshots; NotFound, or Conflict while something still feeds it."""
    get(connection, name)
    source = connection.execute(
        select(sources.c.name).where(sources.c.repository == name).order_by(sources.c.name).limit(1)
    ).scalar()
    if source is not None:
        raise Conflict(f"The source {source!r} still feeds {name}; remove that first.")
    build = connection.execute(
        select(builds.c.id).where(builds.c.repository == name, builds.c.state.in_(sorted(OPEN))).limit(1)
    ).scalar()
    if build is not None:
        raise Conflict(f"Build {build} for {name} has not ended; cancel it or let it end.")
    rebuild = connection.execute(
        select(rebuilds.c.id).where(rebuilds.c.repository == name, rebuilds.c.staging != "").limit(1)
    ).scalar()
    if rebuild is not None:
        raise Conflict(
            f"Rebuild {rebuild} of {name} is not published; drop it with `quarters rebuilds drop {rebuild}`."
        )
    connection.execute(delete(repositories).where(repositories.c.name == name))


def current(connection: Connection, name: str) -> int:
    """Number of the snapshot that is served, 0 before the first; NotFound."""
    number = connection.execute(
        select(repositories.c.current).where(repositories.c.name == name)
    ).scalar_one_or_none()
    if number is None:
        raise NotFound(f"There is no repository {name!r}.")
    return int(number)


class _Limited(msgspec.Struct):
    max_running: int = 0


_SETTINGS = select(repositories.c.name, type_coerce(repositories.c.settings, Text).label("settings"))


def limits(connection: Connection) -> dict[str, int]:
    """How many of its builds may run at once, by repository; those without a limit are left out."""
    # Only this one setting is read: claims ask again and again, and a repository's keys are long.
    found = {
        row.name: msgspec.json.decode(row.settings, type=_Limited).max_running
        for row in connection.execute(_SETTINGS)
    }
    return {name: limit for name, limit in found.items() if limit}


def currents(connection: Connection) -> dict[str, int]:
    """The served snapshot's number of every repository, by name."""
    rows = connection.execute(select(repositories.c.name, repositories.c.current))
    return {row.name: row.current for row in rows}


def advance(connection: Connection, name: str, before: int) -> None:
    """Serve the snapshot after `before`; Conflict if `before` is not, or no longer, the one that is served."""
    query = update(repositories).where(repositories.c.name == name, repositories.c.current == before)
    if connection.execute(query.values(current=before + 1)).rowcount == 0:
        raise Conflict(f"Somebody else published in {name} at the same moment; try again.")


def serve(connection: Connection, name: str, number: int) -> None:
    """Serve a snapshot of a repository that was just put back."""
    connection.execute(update(repositories).where(repositories.c.name == name).values(current=number))
