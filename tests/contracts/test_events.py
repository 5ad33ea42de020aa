"""The event log: in order, and to be caught up with; on both databases."""

from datetime import UTC, datetime

from quarters.storage import events
from quarters.storage.database import Database

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


async def test_events_are_read_in_order_from_anywhere(database: Database) -> None:
    assert await database.read(events.newest) == 0
    for number in range(3):
        await database.write(events.record, NOW, "test.one", str(number), {"n": number})
    first, *rest = await database.read(events.after, 0)
    assert (first.at, first.kind, first.subject, first.data) == (NOW, "test.one", "0", {"n": 0})
    assert await database.read(events.after, first.id) == rest
    assert await database.read(events.newest) == rest[-1].id
    assert await database.read(events.after, 0, 1) == [first]
