"""What every database engine promises: migrations that match the tables, whole transactions, side-by-side readers."""

import asyncio
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select

from quarters.model.errors import Conflict
from quarters.storage.database import Database
from quarters.storage.schema import events, metadata

NOW = datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=UTC)


def _record(connection: Connection, subject: str) -> None:
    connection.execute(insert(events).values(at=NOW, kind="test", subject=subject, data={"n": 1}))


def _count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(events)).scalar_one()


async def test_the_migrations_make_exactly_the_tables_of_the_schema(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        return list(compare_metadata(context, metadata))

    assert await database.read(differences) == []


async def test_a_failed_write_leaves_nothing_and_does_not_hurt_its_neighbours(database: Database) -> None:
    def fails(connection: Connection) -> None:
        _record(connection, "half")
        raise Conflict("on purpose")

    results = await asyncio.gather(
        database.write(_record, "before"),
        database.write(fails),
        database.write(_record, "after"),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), Conflict, type(None)]
    assert await database.read(_count) == 2


async def test_times_and_values_come_back_as_they_went_in(database: Database) -> None:
    await database.write(_record, "one")
    at, data = await database.read(lambda c: c.execute(select(events.c.at, events.c.data)).one())
    assert at == NOW
    assert data == {"n": 1}


async def test_a_reopened_database_still_has_what_was_written(database: Database, database_url: str) -> None:
    await database.write(_record, "kept")
    again = Database(database_url)
    await again.open()
    try:
        assert await again.read(_count) == 1
    finally:
        await again.close()


async def test_many_concurrent_writes_are_all_kept(database: Database) -> None:
    await asyncio.gather(*(database.write(_record, str(n)) for n in range(300)))
    assert await database.read(_count) == 300


async def test_an_error_in_a_query_reaches_its_caller_unchanged(database: Database) -> None:
    def fails(_connection: Connection) -> None:
        raise Conflict("told to the caller")

    with pytest.raises(Conflict, match="told to the caller"):
        await database.read(fails)
