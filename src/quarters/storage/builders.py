"""Builders as they last introduced themselves, and whether they are given work."""

from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from quarters.model.build import State
from quarters.model.builder import Builder, BuilderState
from quarters.model.errors import NotFound
from quarters.storage.events import record
from quarters.storage.schema import builders, builds


def introduce(connection: Connection, builder: Builder) -> Builder:
    """Note what a builder says about itself; its state stays what a person made it. Returns it as it stands."""
    columns = {
        "arches": list(builder.arches),
        "slots": builder.slots,
        "last_seen": builder.last_seen,
        "version": builder.version,
        "executor": builder.executor,
    }
    if connection.execute(update(builders).where(builders.c.name == builder.name).values(columns)).rowcount:
        return get(connection, builder.name)
    connection.execute(insert(builders).values(name=builder.name, state=builder.state, **columns))
    record(connection, builder.last_seen, "builder.new", builder.name, {"slots": builder.slots})
    return builder


def is_known(connection: Connection, builder: Builder, since: datetime) -> bool:
    """Whether a builder gave a sign of life since then and says nothing new about itself."""
    row = connection.execute(select(builders).where(builders.c.name == builder.name)).mappings().one_or_none()
    if row is None or row["last_seen"] < since:
        return False
    return msgspec.structs.replace(_builder(row), state=builder.state, last_seen=builder.last_seen) == builder


def seen(connection: Connection, name: str, now: datetime) -> None:
    """A builder gave a sign of life."""
    connection.execute(update(builders).where(builders.c.name == name).values(last_seen=now))


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
    row = connection.execute(select(builders).where(builders.c.name == name)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no builder {name!r}.")
    return _builder(row)


def set_state(connection: Connection, name: str, state: BuilderState, now: datetime) -> None:
    """Decide whether a builder is given work, or NotFound."""
    get(connection, name)
    connection.execute(update(builders).where(builders.c.name == name).values(state=state))
    record(connection, now, f"builder.{state}", name, {})


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
