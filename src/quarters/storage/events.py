"""The event log: what happened, in order, so that followers can catch up."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, RowMapping, func, insert, select

from quarters.model.event import Happening
from quarters.storage.schema import events

Data = dict[str, str | int | None]

_RECORD = insert(events).inline()


def record(connection: Connection, now: datetime, kind: str, subject: str, data: Data) -> None:
    """Append one event; it is seen once the transaction is committed."""
    connection.execute(_RECORD, {"at": now, "kind": kind, "subject": subject, "data": data})


def record_all(
    connection: Connection, now: datetime, kind: str, subjects: Iterable[tuple[str, Data]]
) -> None:
    """Append one event of the same kind for each subject."""
    rows = [{"at": now, "kind": kind, "subject": subject, "data": data} for subject, data in subjects]
    if rows:
        connection.execute(_RECORD, rows if len(rows) > 1 else rows[0])


def after(connection: Connection, last: int, limit: int = 500) -> list[Happening]:
    """The oldest `limit` events with an id above `last`."""
    query = select(events).where(events.c.id > last).order_by(events.c.id).limit(limit)
    return [_happening(row) for row in connection.execute(query).mappings()]


def newest(connection: Connection) -> int:
    """The id of the newest event, 0 if nothing happened yet."""
    return connection.execute(select(func.max(events.c.id))).scalar() or 0


def missed(connection: Connection, last: int) -> bool:
    """Whether events after the id `last` were removed because of their age, or it never was, as after a restore."""
    oldest, newest = connection.execute(select(func.min(events.c.id), func.max(events.c.id))).one()
    return oldest is not None and last > 0 and not oldest - 1 <= last <= newest


def _happening(row: RowMapping) -> Happening:
    return Happening(id=row["id"], at=row["at"], kind=row["kind"], subject=row["subject"], data=row["data"])
