"""Rows of updates: what is known about upstreams of recipes, how runs went, and what they ask to build."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from quarters.model.updates import UpdateRun, UpdateState
from quarters.storage.schema import seen_versions, sources, update_runs, update_states

_RUN = UpdateRun.__struct_fields__
_STATE = UpdateState.__struct_fields__


def run(connection: Connection, source: str) -> UpdateRun:
    """How the updates of a source go; an empty one before the first."""
    row = connection.execute(select(update_runs).where(update_runs.c.source == source)).one_or_none()
    if row is None:
        return UpdateRun(source=source)
    return msgspec.convert({field: getattr(row, field) for field in _RUN}, UpdateRun)


def change_run(connection: Connection, source: str, /, **columns: Any) -> None:
    """Set columns of a source's run; a removed source is nothing to mind."""
    statement = update(update_runs).where(update_runs.c.source == source)
    if connection.execute(statement.values(**columns)).rowcount:
        return
    if connection.execute(select(sources.c.name).where(sources.c.name == source)).first() is not None:
        connection.execute(insert(update_runs).values(source=source, **columns))


def states(connection: Connection, source: str) -> dict[str, UpdateState]:
    """What is known about the upstreams of a source's recipes, by folder."""
    rows = connection.execute(select(update_states).where(update_states.c.source == source))
    return {row.path: _state(row) for row in rows}


def put(connection: Connection, source: str, found: Sequence[UpdateState]) -> None:
    """Store these in place of what was known about the same folders."""
    there = set(
        connection.execute(select(update_states.c.path).where(update_states.c.source == source)).scalars()
    )
    for each in found:
        if each.path in there:
            mine = (update_states.c.source == source, update_states.c.path == each.path)
            connection.execute(update(update_states).where(*mine).values(**msgspec.structs.asdict(each)))
    rows = [{"source": source} | msgspec.structs.asdict(each) for each in found if each.path not in there]
    if rows:
        connection.execute(insert(update_states), rows)


def forget(connection: Connection, source: str, paths: Iterable[str]) -> None:
    """These folders are no recipes of the source any more."""
    for path in paths:
        mine = (update_states.c.source == source, update_states.c.path == path)
        connection.execute(delete(update_states).where(*mine))


def wanted(connection: Connection, source: str) -> list[UpdateState]:
    """The recipes of a source that are to be built, by folder."""
    query = select(update_states).where(update_states.c.source == source, update_states.c.cause.is_not(None))
    return [_state(row) for row in connection.execute(query.order_by(update_states.c.path))]


def wanting(connection: Connection) -> list[str]:
    """The enabled sources with recipes that are to be built."""
    query = (
        select(update_states.c.source)
        .join(sources, sources.c.name == update_states.c.source)
        .where(update_states.c.cause.is_not(None), sources.c.enabled)
    )
    return sorted(set(connection.execute(query).scalars()))


def built(connection: Connection, source: str, done: Sequence[UpdateState]) -> None:
    """Builds for these are queued; what was asked for since is not."""
    for each in done:
        mine = (update_states.c.source == source, update_states.c.path == each.path)
        same = (update_states.c.cause == each.cause, update_states.c.detail == each.detail)
        connection.execute(update(update_states).where(*mine, *same).values(cause=None, detail=""))


def seen(connection: Connection, source: str) -> dict[str, str]:
    """The versions of upstream packages that a source's recipes were last held against, by name."""
    query = select(seen_versions.c.name, seen_versions.c.version).where(seen_versions.c.source == source)
    return {row.name: row.version for row in connection.execute(query)}


def see(connection: Connection, source: str, versions: Mapping[str, str]) -> None:
    """Keep these versions in place of those that were kept."""
    connection.execute(delete(seen_versions).where(seen_versions.c.source == source))
    rows = [
        {"source": source, "name": name, "version": version} for name, version in sorted(versions.items())
    ]
    if rows:
        connection.execute(insert(seen_versions), rows)


def want(connection: Connection, source: str, wishes: Sequence[UpdateState]) -> None:
    """Ask to build what `wishes` name, and nothing else about them."""
    known = states(connection, source)
    put(
        connection,
        source,
        [msgspec.structs.replace(known.get(it.path, it), cause=it.cause, detail=it.detail) for it in wishes],
    )


def _state(row: Any) -> UpdateState:
    return msgspec.convert({field: getattr(row, field) for field in _STATE}, UpdateState)
