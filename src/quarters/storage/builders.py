"""Builders as they last introduced themselves, and whether they are given work."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from quarters.model.build import State
from quarters.model.builder import Builder, BuilderState
from quarters.model.errors import NotFound
from quarters.storage.events import record
from quarters.storage.schema import builders, builds

_FIND = select(builders).where(builders.c.name == bindparam("its_name"))
_SAID = ("arches", "slots", "last_seen", "version", "executor", "build_class", "memory", "disk")
_INTRODUCE = (
    update(builders)
    .where(builders.c.name == bindparam("its_name"))
    .values({name: bindparam(f"said_{name}") for name in _SAID})
    .returning(*builders.c)
)
_SEEN = update(builders).where(builders.c.name == bindparam("its_name")).values(last_seen=bindparam("now"))


def introduce(connection: Connection, builder: Builder) -> Builder:
    """Note what a builder says about itself; its state stays what a person made it. Returns it as it stands."""
    columns = {name: getattr(builder, name) for name in _SAID}
    # Returned by the statement that changes it: every claim does this.
    said = {f"said_{name}": value for name, value in columns.items()}
    row = connection.execute(_INTRODUCE, {"its_name": builder.name, **said}).mappings().one_or_none()
    if row is not None:
        return _builder(row)
    connection.execute(insert(builders).values(name=builder.name, state=builder.state, **columns))
    record(connection, builder.last_seen, "builder.new", builder.name, {"slots": builder.slots})
    return builder


def seen(connection: Connection, name: str, now: datetime) -> None:
    """A builder gave a sign of life."""
    connection.execute(_SEEN, {"its_name": name, "now": now})


def listed(connection: Connection, *, after: str = "", limit: int | None = None) -> list[Builder]:
    """Builders by name, those whose name comes after `after`."""
    query = select(builders).where(builders.c.name > after).order_by(builders.c.name).limit(limit)
    return [_builder(row) for row in connection.execute(query).mappings()]


def alive(connection: Connection, since: datetime) -> list[Builder]:
    """Builders that gave a sign of life since then."""
    query = select(builders).where(builders.c.last_seen >= since).order_by(builders.c.name)
    return [_builder(row) for row in connection.execute(query).mappings()]


def get(connection: Connection, name: str) -> Builder:
    """One builder, or NotFound."""
    found = find(connection, name)
    if found is None:
        raise NotFound(f"There is no builder {name!r}.")
    return found


def find(connection: Connection, name: str) -> Builder | None:
    """One builder, if it is known."""
    row = connection.execute(_FIND, {"its_name": name}).mappings().one_or_none()
    return None if row is None else _builder(row)


def set_state(connection: Connection, name: str, state: BuilderState, now: datetime) -> None:
    """Decide whether a builder is given work, or NotFound; who enables it trusts it again."""
    get(connection, name)
    columns: dict[str, Any] = {"state": state}
    if state is BuilderState.ENABLED:
        columns |= {"strikes": 0, "quarantines": 0, "quarantined_until": None}
    connection.execute(update(builders).where(builders.c.name == name).values(columns))
    record(connection, now, f"builder.{state}", name, {})


def judge(connection: Connection, before: Builder, after: Builder, now: datetime) -> None:
    """Keep what is thought of a builder; a new quarantine is an event."""
    if after == before:
        return
    columns = {name: getattr(after, name) for name in ("strikes", "quarantines", "quarantined_until")}
    connection.execute(update(builders).where(builders.c.name == after.name).values(columns))
    if after.quarantines > before.quarantines and after.quarantined_until is not None:
        data: dict[str, str | int | None] = {"until": after.quarantined_until.isoformat()}
        record(connection, now, "builder.quarantined", after.name, data)


def remove(connection: Connection, name: str, now: datetime) -> None:
    """Forget a builder, or NotFound; what it is working on it may finish."""
    get(connection, name)
    connection.execute(delete(builders).where(builders.c.name == name))
    record(connection, now, "builder.removed", name, {})


def running(connection: Connection) -> dict[str, tuple[int, ...]]:
    """By builder, the builds that it is working on."""
    query = select(builds.c.builder, builds.c.id).where(builds.c.state == State.RUNNING).order_by(builds.c.id)
    found: dict[str, tuple[int, ...]] = {}
    for name, build in connection.execute(query):
        found[name] = (*found.get(name, ()), build)
    return found


def _builder(row: object) -> Builder:
    return msgspec.convert(row, Builder)
