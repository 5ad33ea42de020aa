"""What is kept of builds that are over: logs are compressed, and old builds, logs, requests and events forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta

import structlog

from quarters.model.errors import Unavailable
from quarters.protocol.resources import Forgotten
from quarters.scheduler.settings import LogsSettings
from quarters.storage import events, expiry, libraries
from quarters.storage.database import Database
from quarters.storage.logs import LogFiles
from quarters.storage.transitions import chunks
from quarters.storage.wakeups import Topic, Wakeups

_ROUND = 5.0
"""Seconds between two looks at which logs grow no more."""
_FIRST = 300.0
"""Seconds from the start to the first cleaning, which is not to delay what waits for the server."""
_AT_ONCE = 200
"""Rows that go in one transaction: the other writes wait meanwhile."""

_LOST = timedelta(days=7)
"""For how long a lost library is kept in mind that nothing links to: what is built with it may yet be published."""

log = structlog.get_logger(__name__)


class BuildHistory:
    """Cleans up by rules of age and number; safe beside everything else, and to be killed at any moment."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        logs: LogFiles,
        settings: LogsSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._logs = logs
        self._settings = settings
        self._now = now

    async def run(self) -> None:
        """Compress logs soon after their end, and clean now and then, until cancelled."""
        clock = asyncio.get_running_loop().time
        due = clock() + min(_FIRST, self._settings.clean_every)
        while True:
            try:
                await self.compress()
                if clock() >= due:
                    forgotten = await self.clean(dry_run=False)
                    due = clock() + self._settings.clean_every
                    if forgotten.builds:
                        log.info("old builds are forgotten", count=forgotten.builds)
            except Unavailable as error:
                log.warning("the history could not be cleaned", error=str(error))
            await asyncio.sleep(_ROUND)

    async def compress(self) -> int:
        """Compress the logs of attempts that have ended; returns how many that were."""
        # Logs are listed before the rows are read, so that none that begins meanwhile is taken for one that ended.
        growing = await asyncio.to_thread(self._logs.growing)
        if not growing:
            return 0
        ended = growing - await self._database.read(expiry.running)
        for build, attempt in sorted(ended):
            await asyncio.to_thread(self._logs.compress, build, attempt)
        return len(ended)

    async def clean(self, *, dry_run: bool) -> Forgotten:
        """Forget what no rule keeps, or only count it; a run that is cut off is gone on with by the next one."""
        now = self._now()
        builds, freed = await self._builds(now - timedelta(days=self._settings.keep_days), dry_run=dry_run)
        happened = await self._events(now - timedelta(days=self._settings.keep_events), dry_run=dry_run)
        if not dry_run:
            await self._forget_requests(now - timedelta(days=self._settings.keep_days))
            await self._forget_libraries(now - _LOST)
        if builds and not dry_run:
            data: events.Data = {"count": builds}
            await self._database.write(events.record, now, "builds.forgotten", "", data)
            self._wakeups.notify(Topic.EVENTS)
        async for orphans in self._orphans():
            freed += await asyncio.to_thread(self._freed, orphans, dry_run=dry_run)
        return Forgotten(builds=builds, events=happened, freed=freed)

    async def _builds(self, before: datetime, *, dry_run: bool) -> tuple[int, int]:
        count = freed = last = 0
        kept = self._settings.keep_builds
        while ids := await self._database.read(expiry.old_builds, before, kept, last, _AT_ONCE):
            last = ids[-1]
            # Rows go first: a log without its row is found and removed later, should this be killed in between.
            gone = ids if dry_run else await self._database.write(expiry.forget_builds, ids, before, kept)
            freed += await asyncio.to_thread(self._freed, gone, dry_run=dry_run)
            count += len(gone)
        return count, freed

    async def _forget_requests(self, before: datetime) -> None:
        """With the last of its builds a request goes too."""
        for some in chunks(await self._database.read(expiry.old_requests, before)):
            await self._database.write(expiry.forget_requests, some)

    async def _forget_libraries(self, before: datetime) -> None:
        """What is back, or missed by nothing that is published, need not be kept in mind."""
        if await self._database.read(libraries.unmissed, before):
            await self._database.write(libraries.forget_unmissed, before)

    async def _events(self, before: datetime, *, dry_run: bool) -> int:
        count = last = 0
        while ids := await self._database.read(expiry.old_events, before, last, _AT_ONCE):
            last = ids[-1]
            count += len(ids)
            if not dry_run:
                await self._database.write(expiry.forget_events, last)
        return count

    async def _orphans(self) -> AsyncIterator[Sequence[int]]:
        """Builds of which there are logs and nothing else: their repository was deleted, or a cleaning cut off."""
        there = await asyncio.to_thread(self._logs.builds)
        for some in chunks(there):
            if orphans := sorted(set(some) - await self._database.read(expiry.known, some)):
                yield orphans

    def _freed(self, builds: Sequence[int], *, dry_run: bool) -> int:
        return sum(self._logs.weight(it) if dry_run else self._logs.remove(it) for it in builds)
