"""Forgets snapshots that no policy keeps, and removes package files that nothing lists, a while after that began."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from quarters.model.errors import NotFound
from quarters.planning.retention import Rules, Taken, Version, expired
from quarters.protocol.snapshots import Cleaned
from quarters.publishing.settings import PublishingSettings
from quarters.publishing.swap import Swap
from quarters.storage import events, garbage, history, pins, repositories, snapshots
from quarters.storage.database import Database
from quarters.storage.package_files import PackageFiles
from quarters.storage.wakeups import Topic, Wakeups

_AT_ONCE = 500
_REMOVED_AT_ONCE = 50
"""Files removed in one transaction: the other writes wait meanwhile."""

_FIRST = 300.0
"""Seconds after the start: it is not to delay what waits for the server."""

log = structlog.get_logger(__name__)


class _Undone(Exception):
    """Carries what a dry run found out of the transaction that it undoes."""

    def __init__(self, cleaned: Cleaned) -> None:
        self.cleaned = cleaned


class Retention:
    """Cleans repositories by their policies; safe beside publishing and serving, and to be killed at any moment."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        files: PackageFiles,
        swap: Swap,
        settings: PublishingSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._files = files
        self._swap = swap
        self._settings = settings
        self._now = now

    async def run(self) -> None:
        """Clean everything now and then, until cancelled."""
        await asyncio.sleep(min(_FIRST, self._settings.clean_every))
        while True:
            for name in await self._database.read(repositories.currents):
                try:
                    cleaned = await self.clean(name, dry_run=False, actor="")
                except NotFound:
                    continue  # deleted meanwhile
                if cleaned.expired:
                    log.info("snapshots expired", repository=name, count=len(cleaned.expired))
            await asyncio.sleep(self._settings.clean_every)

    async def clean(self, repository: str, *, dry_run: bool, actor: str) -> Cleaned:
        """Forget what the policy of `repository` does not keep, and remove files that had their time; NotFound."""
        now = self._now()

        def write(connection: Connection) -> Cleaned:
            cleaned = _expire(connection, repository, now)
            if dry_run:
                raise _Undone(cleaned)
            if cleaned.expired:
                data: events.Data = {"count": len(cleaned.expired), "actor": actor}
                events.record(connection, now, "snapshots.expired", repository, data)
            return cleaned

        async with self._swap.lock(repository):
            try:
                with self._swap.public.closed(repository):
                    cleaned = await self._database.write(write)
            except _Undone as undone:
                return undone.cleaned
        self._wakeups.notify(Topic.SERVED, Topic.EVENTS)
        await asyncio.to_thread(self._swap.public.sweep)
        await self._mark_strays()
        return Cleaned(
            repository=repository,
            expired=cleaned.expired,
            unlisted=cleaned.unlisted,
            freed=await self.collect(),
        )

    async def collect(self) -> int:
        """Remove the files that nothing has listed for the whole grace period; returns the bytes that are freed."""
        before = self._now() - timedelta(seconds=self._settings.grace)
        freed = 0
        while True:
            dealt, bytes_ = await self._database.write(
                garbage.remove, before, _REMOVED_AT_ONCE, self._files.remove, self._now()
            )
            freed += bytes_
            if not dealt:
                return freed

    async def _mark_strays(self) -> None:
        """Mark files of which no row knows: they were taken in and never listed, since a process was killed."""
        for folder in await asyncio.to_thread(self._files.folders):
            there = await asyncio.to_thread(self._files.within, folder)
            known = await self._database.read(garbage.known, there)
            if strays := sorted(set(there) - known):
                await self._database.write(garbage.mark, strays, self._now())


def _expire(connection: Connection, repository: str, now: datetime) -> Cleaned:
    settings = repositories.get(connection, repository)
    numbers = expired(
        [Taken(it.number, it.created_at) for it in snapshots.listed(connection, repository)],
        (
            Version(it.arch, it.name, it.sha256, it.since, it.until)
            for it in history.stays(connection, repository)
        ),
        {pin.number for pin in pins.listed(connection, repository)},
        Rules(versions=settings.keep_versions, days=settings.keep_days),
        now,
    )
    history.expire(connection, repository, numbers)
    return Cleaned(repository=repository, expired=tuple(numbers), unlisted=_mark_unlisted(connection, now))


def _mark_unlisted(connection: Connection, now: datetime) -> int:
    marked, some = 0, _first(connection, "")
    while some:
        marked += garbage.mark(connection, some, now)
        some = _first(connection, some[-1])
    return marked


def _first(connection: Connection, after: str) -> Sequence[str]:
    return garbage.unlisted(connection, after, _AT_ONCE)
