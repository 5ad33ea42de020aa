"""The database: reads side by side, writes one after another in one thread that commits them in groups."""

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from quarters.model.errors import StorageFull, Unavailable
from quarters.storage.migrate import migrate, require_newest

P = ParamSpec("P")
T = TypeVar("T")

_GROUP = 64
"""Most writes that share one commit: enough to make the disk's sync cheap, few enough to keep each one quick."""
_READERS = 4
_LOCK_WAIT = 30.0
"""Seconds that a statement waits for a lock held by another process."""

_Job = tuple[Callable[[Connection], Any], asyncio.Future[Any]]


class _Answer(NamedTuple):
    """How a write ended."""

    result: Any = None
    error: Exception | None = None


class Database:
    """Runs queries, which are plain functions of a connection, off the event loop; each `write` is one transaction."""

    def __init__(self, url: str) -> None:
        self._writing = _engine(url, begin="BEGIN IMMEDIATE")
        self._reading = _engine(url, begin="BEGIN")
        self._readers = ThreadPoolExecutor(_READERS, "database-reader")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_groups, name="database-writer", daemon=True)

    async def open(self, *, upgrade: bool = True) -> None:
        """Bring the schema up to date and start accepting work; raises Unavailable when it cannot be reached.

        Without `upgrade` the schema has to be up to date: Conflict.
        """
        prepare = migrate if upgrade else require_newest
        await asyncio.to_thread(_translated, partial(prepare, self._writing))
        self._writer.start()

    async def close(self) -> None:
        """Finish what was accepted, then let go of the connections."""
        self._jobs.put(None)
        await asyncio.to_thread(self._writer.join)
        self._readers.shutdown()
        self._writing.dispose()
        self._reading.dispose()

    async def read(
        self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `query` in a transaction of its own that changes nothing."""

        def work() -> T:
            with self._reading.connect() as connection:
                return query(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._readers, _translated, work)

    async def write(
        self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `query` in a transaction; once this returns, its changes survive a power cut. An exception undoes it."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        # A caller that is cancelled must not learn too little: the write goes on, only its answer is dropped.
        self._jobs.put((lambda connection: query(connection, *args, **kwargs), future))
        return await future

    def _write_groups(self) -> None:
        while (job := self._jobs.get()) is not None:
            group = [job]
            while len(group) < _GROUP and not self._jobs.empty():
                if (job := self._jobs.get()) is None:
                    self._jobs.put(None)
                    break
                group.append(job)
            self._write_group(group)

    def _write_group(self, group: list[_Job]) -> None:
        answers: dict[asyncio.Future[Any], _Answer] = {}
        try:
            with self._writing.begin() as connection:
                for work, future in group:
                    try:
                        with connection.begin_nested():
                            answers[future] = _Answer(work(connection))
                    except Exception as error:
                        if connection.invalidated:
                            raise
                        answers[future] = _Answer(error=_translation(error))
        except Exception as error:  # noqa: BLE001 - the answer to everybody in the group
            for _, future in group:
                if future not in answers or answers[future].error is None:
                    answers[future] = _Answer(error=_translation(error))
        _answer(answers)


def _engine(url: str, *, begin: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": _LOCK_WAIT})

        @event.listens_for(engine, "connect")
        def configure(connection: Any, _record: object) -> None:
            connection.isolation_level = None  # transactions are begun below, not by the driver's guesses
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def start(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        return engine
    return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=_READERS)


def _answer(answers: Mapping[asyncio.Future[Any], _Answer]) -> None:
    """Tell all who wait how their writes ended, with one wake-up of their event loop."""

    def tell(mine: Sequence[tuple[asyncio.Future[Any], _Answer]]) -> None:
        for future, answer in mine:
            if future.done():
                continue  # nobody waits any more
            if answer.error is None:
                future.set_result(answer.result)
            else:
                future.set_exception(answer.error)

    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], _Answer]]] = {}
    for future, answer in answers.items():
        by_loop.setdefault(future.get_loop(), []).append((future, answer))
    for loop, mine in by_loop.items():
        with suppress(RuntimeError):  # the loop has ended, and with it all who waited
            loop.call_soon_threadsafe(tell, mine)


def _translated(work: Callable[[], T]) -> T:
    try:
        return work()
    except Exception as error:
        raise _translation(error) from error


def _translation(error: Exception) -> Exception:
    if isinstance(error, OperationalError):
        if "full" in str(error.orig):
            return StorageFull("The database's disk is full.")
        return Unavailable(f"The database cannot be used: {str(error.orig).splitlines()[0]}.")
    return error
