"""Builds for people: list, explain, cancel, try again, read the log."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from quarters.model.build import Build
from quarters.model.errors import Invalid
from quarters.planning.why import why_not_running
from quarters.protocol.resources import (
    BuildFilter,
    BuildView,
    Cancellation,
    Cancelled,
    Page,
    Prerequisite,
    Retried,
    Retry,
    Wish,
)
from quarters.scheduler.circumstances import circumstances
from quarters.scheduler.selection import Rules
from quarters.scheduler.settings import SchedulerSettings
from quarters.storage import builds, lacks, leases, needs, successions, wishes
from quarters.storage.database import Database
from quarters.storage.logs import LogFiles
from quarters.storage.wakeups import Topic, Wakeups


class Builds:
    """All builds, whatever became of them."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        logs: LogFiles,
        settings: SchedulerSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._logs = logs
        self._alive = timedelta(seconds=settings.builder_alive)
        self._rules = Rules.of(settings)
        self._now = now

    async def list(self, which: BuildFilter, limit: int = 100, cursor: str | None = None) -> Page[Build]:
        """Builds that match, newest first."""
        if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
            raise Invalid("This cursor is not one that a list of builds gave.")
        before = int(cursor) if cursor else None
        matching = {
            name: value
            for name, value in msgspec.structs.asdict(which).items()
            if value is not None and name not in ("since", "request")
        }
        found = await self._database.read(
            builds.listed, matching, request=which.request, since=which.since, before=before, limit=limit + 1
        )
        return Page(tuple(found[:limit]), str(found[limit - 1].id) if len(found) > limit else None)

    async def show(self, build: int) -> BuildView:
        """One build with what it waits for or how it ended, or NotFound."""
        return await self._database.read(self._view, build)

    async def cancel(self, build: int, who: str) -> BuildView:
        """End a build that is not over; a builder that works on it learns so at its next heartbeat."""
        await self._database.write(builds.cancel, build, self._now(), f"Cancelled by {who}.")
        return await self._changed(build)

    async def retry(self, build: int, who: str) -> BuildView:
        """Queue a broken build once more; what it blocked waits again."""
        await self._database.write(builds.retry, build, self._now(), f"by {who}")
        return await self._changed(build)

    async def cancel_all(self, which: Cancellation, who: str) -> Cancelled:
        """Let a request want nothing more, and end what nobody else wants; NotFound if there is no such request."""
        done = await self._database.write(self._withdraw, which.request, f"Cancelled by {who}.")
        self._tell(done.builds)
        return done

    async def retry_all(self, which: Retry, who: str) -> Retried:
        """Queue everything once more that ended badly and matches; all of it or, should that fail, nothing."""
        if which == Retry():
            raise Invalid("Say what to try again: by reason, by repository or by request.")
        done = await self._database.write(self._revive, which, who)
        self._tell(done.builds)
        return done

    async def log(self, build: int, attempt: int, offset: int, limit: int) -> bytes:
        """At most `limit` bytes of the log of an attempt from `offset` on; empty at its end."""
        return await asyncio.to_thread(self._logs.read, build, attempt, offset, limit)

    async def _changed(self, build: int) -> BuildView:
        self._tell((build,))
        return await self.show(build)

    def _tell(self, changed: Iterable[int]) -> None:
        logs = (Topic.log(build) for build in changed)
        self._wakeups.notify(Topic.READY, Topic.BUILDS, Topic.EVENTS, *logs)

    def _withdraw(self, connection: Connection, request: int, message: str) -> Cancelled:
        unwanted, kept = wishes.withdraw(connection, request)
        for build in successions.withdraw(connection, request):
            needs.release_dependents(connection, build, self._now())
        builds.cancel_all(connection, unwanted, self._now(), message)
        return Cancelled(builds=tuple(unwanted), kept=tuple(kept))

    def _revive(self, connection: Connection, which: Retry, who: str) -> Retried:
        latest, overtaken = builds.broken(connection, **msgspec.structs.asdict(which))
        for build in latest:
            builds.retry(connection, build, self._now(), f"by {who}")
        return Retried(builds=tuple(latest), overtaken=tuple(overtaken))

    def _view(self, connection: Connection, number: int) -> BuildView:
        build = builds.get(connection, number)
        prerequisites = needs.of(connection, number)
        now = self._now()
        around = circumstances(connection, build, prerequisites, now - self._alive, self._rules, now)
        return BuildView(
            **msgspec.structs.asdict(build),
            why=why_not_running(build, around),
            steps=leases.steps_of(connection, number, build.attempt),
            needs=tuple(Prerequisite(**one._asdict()) for one in prerequisites),
            lacks=lacks.of(connection, number),
            wishes=tuple(Wish(**msgspec.structs.asdict(one)) for one in wishes.of(connection, number)),
        )
