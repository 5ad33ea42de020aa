"""Rows of sources: where recipes come from, what the last sync found, and whether planning has seen it."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, delete, func, insert, or_, select, update

from quarters.model.build import OPEN
from quarters.model.errors import Conflict, NotFound
from quarters.model.source import Source
from quarters.storage.schema import builds, recipes, sources


class Generation(msgspec.Struct, frozen=True):
    """A source whose recipes changed since they were last planned; `number` is what to call planned."""

    source: Source
    number: int


class Followed(msgspec.Struct, frozen=True):
    """When a source was last looked at, whether that failed, and since when somebody wants a sync."""

    name: str
    synced_at: datetime | None
    wanted_at: datetime | None
    failing: bool


def _plain() -> Select[Any]:
    to_plan = and_(sources.c.automatic, sources.c.generation > sources.c.planned_generation)
    to_sync = or_(
        sources.c.sync_wanted_at.is_not(None), and_(sources.c.synced_at.is_(None), sources.c.problem == "")
    )
    pending = and_(sources.c.enabled, or_(to_plan, to_sync)).label("pending")
    return select(sources, pending).order_by(sources.c.name)


def _query() -> Select[Any]:
    counts = (
        select(
            recipes.c.source,
            func.count().label("recipes"),
            func.count().filter(recipes.c.problem != "").label("unreadable"),
        )
        .group_by(recipes.c.source)
        .subquery()
    )
    return (
        _plain()
        .add_columns(
            func.coalesce(counts.c.recipes, 0).label("recipes"),
            func.coalesce(counts.c.unreadable, 0).label("unreadable"),
        )
        .outerjoin(counts, counts.c.source == sources.c.name)
    )


def _source(row: Any) -> Source:
    return msgspec.convert(row._mapping, Source)


def listed(connection: Connection, *, after: str = "", limit: int | None = None) -> list[Source]:
    """Sources by name, those whose name comes after `after`."""
    return [_source(row) for row in connection.execute(_query().where(sources.c.name > after).limit(limit))]


def enabled(connection: Connection) -> list[Source]:
    """The enabled sources by name; their recipes are not counted, which takes looking at all of them."""
    return [_source(row) for row in connection.execute(_plain().where(sources.c.enabled))]


def get(connection: Connection, name: str) -> Source:
    """One source, or NotFound."""
    row = connection.execute(_query().where(sources.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(f"There is no source {name!r}.")
    return _source(row)


def add(connection: Connection, source: Source) -> None:
    """Insert a new source; Conflict if there is one of that name."""
    if connection.execute(select(sources.c.name).where(sources.c.name == source.name)).first():
        raise Conflict(f"There is already a source {source.name!r}.")
    columns = {column.name for column in sources.c}
    connection.execute(
        insert(sources).values(
            {key: value for key, value in msgspec.structs.asdict(source).items() if key in columns}
        )
    )


def change(connection: Connection, name: str, /, **columns: Any) -> None:
    """Set columns of one source, or NotFound."""
    if connection.execute(update(sources).where(sources.c.name == name).values(**columns)).rowcount == 0:
        raise NotFound(f"There is no source {name!r}.")


def remove(connection: Connection, name: str) -> None:
    """Delete a source with its recipes, or NotFound."""
    connection.execute(delete(recipes).where(recipes.c.source == name))
    if connection.execute(delete(sources).where(sources.c.name == name)).rowcount == 0:
        raise NotFound(f"There is no source {name!r}.")


def followed(connection: Connection) -> list[Followed]:
    """The enabled sources, by name."""
    query = select(sources.c.name, sources.c.synced_at, sources.c.sync_wanted_at, sources.c.problem)
    rows = connection.execute(query.where(sources.c.enabled).order_by(sources.c.name))
    return [Followed(row.name, row.synced_at, row.sync_wanted_at, bool(row.problem)) for row in rows]


_LIMITS = select(sources.c.name, sources.c.max_running).where(sources.c.max_running > 0)


def limits(connection: Connection) -> dict[str, int]:
    """How many of its builds may run at once, by source; those without a limit are left out."""
    return {row.name: row.max_running for row in connection.execute(_LIMITS)}


def hook_secret(connection: Connection, name: str) -> str:
    """What forges prove pushes with, "" before somebody asked for it."""
    query = select(sources.c.hook_secret).where(sources.c.name == name)
    secret: str = connection.execute(query).scalar_one()
    return secret


def unfinished_builds(connection: Connection, name: str) -> int:
    """How many builds of its recipes have not ended yet."""
    query = select(func.count()).select_from(builds)
    return connection.execute(
        query.where(builds.c.source == name, builds.c.state.in_(sorted(OPEN)))
    ).scalar_one()


def no_longer_wanted(connection: Connection, name: str, before: datetime) -> None:
    """A sync that began at `before` answered every wish up to then."""
    query = update(sources).where(sources.c.name == name, sources.c.sync_wanted_at <= before)
    connection.execute(query.values(sync_wanted_at=None))


def advance(connection: Connection, name: str) -> None:
    """Its recipes changed: the next plan is to look at them."""
    query = update(sources).where(sources.c.name == name)
    connection.execute(query.values(generation=sources.c.generation + 1))


def generation(connection: Connection, name: str) -> int:
    """How often its recipes changed, or NotFound."""
    query = select(sources.c.generation).where(sources.c.name == name)
    number: int | None = connection.execute(query).scalar_one_or_none()
    if number is None:
        raise NotFound(f"There is no source {name!r}.")
    return number


def unplanned(connection: Connection) -> list[Generation]:
    """Enabled automatic sources whose recipes changed since they were last planned."""
    query = _plain().where(
        sources.c.generation > sources.c.planned_generation, sources.c.automatic, sources.c.enabled
    )
    return [Generation(_source(row), row.generation) for row in connection.execute(query)]


def planned(connection: Connection, name: str, generation: int) -> None:
    """The recipes of `name` were planned as they were at `generation`; a removed source is nothing to mind."""
    query = update(sources).where(sources.c.name == name, sources.c.planned_generation < generation)
    connection.execute(query.values(planned_generation=generation))
