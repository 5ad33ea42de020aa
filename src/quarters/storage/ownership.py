"""One server at a time has a database: it may lie elsewhere than the data folder, which two servers cannot share either."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import structlog
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from quarters.model.errors import DatabaseBusy, Unavailable

_KEY = 0x7175_6172_7465_7273
"""The number of PostgreSQL's advisory lock, which counts within one database: "quarters" in ASCII."""
_LOOK = 5.0
"""Seconds between two looks whether the connection that holds the lock still stands."""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def owned(url: str) -> AsyncIterator[None]:
    """Have the database to oneself; DatabaseBusy if another server has it, Unavailable if it cannot be reached."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        with _file_owned(parsed):
            yield
        return
    engine = create_engine(parsed.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    connection = await asyncio.to_thread(_locked, engine)
    holding = asyncio.create_task(_hold(engine, connection))
    try:
        yield
    finally:
        holding.cancel()
        with suppress(asyncio.CancelledError):
            await holding


@contextmanager
def _file_owned(url: URL) -> Iterator[None]:
    if not url.database or url.database == ":memory:":
        yield
        return
    try:
        # Not the kind of lock that SQLite uses (fcntl), which goes with any descriptor that is closed.
        file = os.open(url.database, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Unavailable(f"The database {url.database} cannot be opened: {error.strerror}.") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise DatabaseBusy(_busy(url.database)) from None
    finally:
        os.close(file)


def _locked(engine: Engine) -> Connection:
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _KEY}).scalar_one():
            return connection
        connection.close()
    except OperationalError as error:
        raise Unavailable(
            f"The database cannot be reached: {str(error.orig).splitlines()[0].rstrip('.')}."
        ) from error
    raise DatabaseBusy(_busy(str(engine.url.database)))


async def _hold(engine: Engine, connection: Connection) -> None:
    """Take the lock again whenever it is lost with its connection, as when PostgreSQL is started anew."""
    try:
        while True:
            await asyncio.sleep(_LOOK)
            connection = await asyncio.to_thread(_still_locked, engine, connection)
    finally:
        connection.close()
        engine.dispose()


def _still_locked(engine: Engine, connection: Connection) -> Connection:
    try:
        if not connection.invalidated:
            connection.execute(text("SELECT 1"))
    except OperationalError:
        connection.invalidate()
    if not connection.invalidated:
        return connection
    try:
        return _locked(engine)
    except Unavailable:
        pass  # it is not there yet
    except DatabaseBusy as error:
        log.error("the database was taken meanwhile", error=str(error))
    return connection


def _busy(name: str) -> str:
    return (
        f"The database {name} is already used by another server; stop it, or choose another one with "
        "QUARTERS_STORAGE__DATABASE."
    )
