"""Rows of schedules: when they fire next, and which of them fired and still have to be planned."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, tuple_, update

from quarters.model.errors import NotFound
from quarters.model.schedule import ScheduleEntry
from quarters.storage.schema import schedules, sources


def put(connection: Connection, entry: ScheduleEntry) -> None:
    """Store a schedule in place of the one that was there before."""
    _delete(connection, entry.source, entry.pkgbase)
    connection.execute(
        insert(schedules).values(
            source=entry.source,
            pkgbase=entry.pkgbase,
            expression=entry.expression,
            timezone=entry.timezone,
            next_at=entry.next_at,
        )
    )


def remove(connection: Connection, source: str, pkgbase: str) -> None:
    """Delete a schedule, or NotFound."""
    if not _delete(connection, source, pkgbase):
        of = f"{pkgbase} of {source}" if pkgbase else f"The source {source!r}"
        raise NotFound(f"{of} has no schedule.")


def listed(
    connection: Connection, *, after: tuple[str, str] = ("", ""), limit: int | None = None
) -> list[ScheduleEntry]:
    """Schedules by source and pkgbase; `after` is the last one that is not wanted, ("", "") for none."""
    query = select(schedules).order_by(schedules.c.source, schedules.c.pkgbase).limit(limit)
    if after != ("", ""):
        query = query.where(tuple_(schedules.c.source, schedules.c.pkgbase) > tuple_(*after))
    return [_entry(row) for row in connection.execute(query)]


def own(connection: Connection, source: str) -> set[str]:
    """The recipes of `source` that have a schedule of their own."""
    query = select(schedules.c.pkgbase).where(schedules.c.source == source, schedules.c.pkgbase != "")
    return set(connection.execute(query).scalars())


def due(connection: Connection, now: datetime) -> list[ScheduleEntry]:
    """Schedules of enabled sources whose time has come."""
    query = (
        select(schedules)
        .join(sources, sources.c.name == schedules.c.source)
        .where(sources.c.enabled, schedules.c.next_at <= now)
        .order_by(schedules.c.next_at)
    )
    return [_entry(row) for row in connection.execute(query)]


def fire(connection: Connection, entry: ScheduleEntry, next_at: datetime, now: datetime) -> bool:
    """Note that a schedule fired, and let its source be synced; False if somebody else noted it before."""
    statement = update(schedules).where(*_is(entry), schedules.c.next_at == entry.next_at)
    if not connection.execute(statement.values(next_at=next_at, fired_at=now, due_at=now)).rowcount:
        return False
    connection.execute(update(sources).where(sources.c.name == entry.source).values(sync_wanted_at=now))
    return True


def move(connection: Connection, entry: ScheduleEntry, next_at: datetime) -> None:
    """Let a schedule fire next at another time, unless it was changed meanwhile."""
    statement = update(schedules).where(*_is(entry), schedules.c.next_at == entry.next_at)
    connection.execute(statement.values(next_at=next_at))


def fired(connection: Connection) -> list[ScheduleEntry]:
    """Schedules that fired, whose source has been synced since, and whose builds are not planned yet."""
    query = (
        select(schedules)
        .join(sources, sources.c.name == schedules.c.source)
        .where(schedules.c.due_at.is_not(None), sources.c.enabled, sources.c.sync_wanted_at.is_(None))
        .order_by(schedules.c.due_at)
    )
    return [_entry(row) for row in connection.execute(query)]


def planned(connection: Connection, entry: ScheduleEntry) -> None:
    """The builds that `entry` asked for when it fired are planned."""
    statement = update(schedules).where(*_is(entry), schedules.c.due_at == entry.fired_at)
    connection.execute(statement.values(due_at=None))


def _is(entry: ScheduleEntry) -> tuple[Any, Any]:
    return schedules.c.source == entry.source, schedules.c.pkgbase == entry.pkgbase


def _delete(connection: Connection, source: str, pkgbase: str) -> bool:
    statement = delete(schedules).where(schedules.c.source == source, schedules.c.pkgbase == pkgbase)
    return connection.execute(statement).rowcount > 0


def _entry(row: Any) -> ScheduleEntry:
    return ScheduleEntry(**{field: getattr(row, field) for field in ScheduleEntry.__struct_fields__})
