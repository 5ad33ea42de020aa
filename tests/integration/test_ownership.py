"""One server has a PostgreSQL database, also after its connections were lost."""

import asyncio

import psycopg
import pytest
from sqlalchemy.engine import make_url

from quarters.model.errors import DatabaseBusy, Unavailable
from quarters.storage import ownership
from quarters.storage.ownership import owned
from tests.postgresql import own_postgresql

_HOLDERS = """SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE locktype = 'advisory' AND datname = current_database()"""


async def holders(connection: psycopg.AsyncConnection[tuple[int]]) -> set[int]:
    """The processes of PostgreSQL that hold the lock."""
    return {row[0] for row in await (await connection.execute(_HOLDERS)).fetchall()}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_lock_that_is_lost_with_its_connection_is_taken_again(database_url: str) -> None:
    address = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        async with owned(database_url):
            (first,) = await holders(connection)
            await connection.execute("SELECT pg_terminate_backend(%s)", (first,))
            async with asyncio.timeout(60):
                while not await holders(connection) - {first}:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.1)
            with pytest.raises(DatabaseBusy, match="is already used by another server"):
                await owned(database_url).__aenter__()
        async with asyncio.timeout(60):
            while await holders(connection):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
        async with owned(database_url):
            assert await holders(connection)


async def test_a_lock_is_taken_again_after_postgresql_was_away_for_several_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ownership, "_LOOK", 0.1)
    with own_postgresql() as server:
        url = f"{server.url}/postgres"
        async with owned(url):
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(1)
            await asyncio.to_thread(server.start)
            async with (
                asyncio.timeout(60),
                await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
            ):
                while not await holders(connection):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.1)


async def test_a_database_that_is_not_there_is_told_in_a_sentence() -> None:
    with pytest.raises(Unavailable, match="The database cannot be reached"):
        await owned("postgresql://postgres@127.0.0.1:1/none").__aenter__()
