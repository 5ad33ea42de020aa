"""The swap: index files first, then one transaction that makes them the served ones."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from quarters.model.errors import DatabaseLost
from quarters.model.repository import Repository, Snapshot
from quarters.publishing.change import Change
from quarters.publishing.index import IndexWriter
from quarters.storage import events, libraries, packages, repositories, snapshots, tokens
from quarters.storage.database import Database
from quarters.storage.public import PublicTree
from quarters.storage.wakeups import Topic, Wakeups

_NAMED = 5
"""Names that a snapshot's note holds before it only counts them."""

Along = Callable[[Connection, datetime], None]
"""Further changes that belong into the same transaction, before the snapshot's rows."""


class Credit(msgspec.Struct, frozen=True):
    """Who or what made a snapshot, and why."""

    actor: str
    note: str


def told(names: Sequence[str]) -> str:
    """Some names as people read them, the first few and how many more."""
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


class Swap:
    """Makes snapshots; killed at any moment it leaves the old one or the new one, whole."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        index: IndexWriter,
        public: PublicTree,
        now: Callable[[], datetime],
        kept_indexes: int = 3,
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._index = index
        self.public = public
        self.now = now
        self._kept = kept_indexes
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tidying: set[asyncio.Task[None]] = set()

    def lock(self, repository: str) -> asyncio.Lock:
        """To be held from looking at what a repository lists until it was published."""
        return self._locks[repository]

    async def recover(self) -> None:
        """Remove index files that a killed process left unfinished or uncommitted; before anything is published.

        DatabaseLost where that would remove all that is left to rebuild a database from.
        """
        currents = await self._database.read(repositories.currents)
        remains = () if currents else await asyncio.to_thread(self._index.remains)
        # Who deleted the last repository has a database with tokens.
        if remains and not await self._database.read(tokens.listed, 0, 1):
            raise DatabaseLost(
                f"The database is empty, but there are packages and indexes of {', '.join(remains)}. Rebuild it with "
                "`quarters restore --from-packages`, or restore a backup; to begin anew, use another data folder."
            )
        await asyncio.to_thread(self._index.sweep, currents)
        await self.look_again()

    async def look_again(self) -> None:
        """Let nothing be served any more because it was looked up before: the files themselves may be others now."""
        self.public.clear()
        self._wakeups.notify(Topic.SERVED)
        await asyncio.to_thread(self.public.sweep)

    async def publish(
        self, repository: Repository, change: Change, credit: Credit, along: Along | None = None
    ) -> Snapshot:
        """Make and serve the next snapshot; Conflict if another process published meanwhile. The lock must be held."""
        last = await self._database.read(_newest, repository.name)
        now = self.now()
        modified_at = now.replace(microsecond=0)
        if last is not None:
            # pacman ignores an index that is not newer than its own, and HTTP counts whole seconds.
            modified_at = max(modified_at, last.modified_at + timedelta(seconds=1))
        before, packages_before = (last.snapshot.number, last.snapshot.packages) if last else (0, 0)
        await self._index.prepare(repository, before, change, modified_at)

        made = Snapshot(
            repository=repository.name,
            number=before + 1,
            created_at=now,
            actor=credit.actor,
            note=credit.note,
            packages=packages_before + change.growth,
        )

        def commit(connection: Connection) -> Snapshot:
            if along is not None:
                along(connection, now)
            return self._commit(connection, repository, made, modified_at, change)

        with self.public.closed(repository.name):
            snapshot = await self._database.write(commit)
        self._wakeups.notify(Topic.SERVED, Topic.READY, Topic.BUILDS, Topic.EVENTS)
        self._tidy(repository.name, snapshot.number)
        return snapshot

    async def tidied(self) -> None:
        """Wait until the index files of old snapshots are gone."""
        await asyncio.gather(*self._tidying)

    def _tidy(self, repository: str, current: int) -> None:
        # Removing many megabytes takes as long as writing them; nobody has to wait for it.
        task = asyncio.create_task(asyncio.to_thread(self._clear_away, repository, current))
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)

    def _clear_away(self, repository: str, current: int) -> None:
        self._index.prune(repository, current, self._kept)
        self.public.sweep()

    def _commit(
        self,
        connection: Connection,
        repository: Repository,
        made: Snapshot,
        modified_at: datetime,
        change: Change,
    ) -> Snapshot:
        name, number, now = made.repository, made.number, made.created_at
        packages.add(connection, change.additions, now)
        libraries.note(connection, name, change.put, change.gone, now)
        repositories.advance(connection, name, number - 1)
        snapshots.record(connection, name, number, change.put, change.gone)
        snapshots.add(connection, made, modified_at, repository.compression)
        data: events.Data = {"snapshot": number, "packages": made.packages, "actor": made.actor}
        events.record(connection, now, "snapshot.published", name, data)
        return made


def _newest(connection: Connection, repository: str) -> snapshots.Dated | None:
    """The served snapshot; None for a repository that is only about to be created."""
    number = repositories.currents(connection).get(repository, 0)
    return snapshots.get(connection, repository, number) if number else None
