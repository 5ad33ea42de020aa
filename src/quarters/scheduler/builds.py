"""Builds for people: list, explain, cancel, try again, read the log."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from quarters.model.build import Build
from quarters.model.errors import Invalid
from quarters.planning.why import why_not_running
from quarters.protocol.resources import BuildFilter, BuildView, Page, Prerequisite
from quarters.scheduler.circumstances import circumstances
from quarters.scheduler.selection import Rules
from quarters.scheduler.settings import SchedulerSettings
from quarters.storage import builds, leases, needs
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
            if value is not None and name != "since"
        }
        found = await self._database.read(
            builds.listed, matching, since=which.since, before=before, limit=limit + 1
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
        await self._database.write(builds.retry, build, self._now(), who)
        return await self._changed(build)

    async def log(self, build: int, attempt: int, offset: int, limit: int) -> bytes:
        """At most `limit` bytes of the log of an attempt from `offset` on; empty at its end."""
        return await asyncio.to_thread(self._logs.read, build, attempt, offset, limit)

    async def _changed(self, build: int) -> BuildView:
        self._wakeups.notify(Topic.READY, Topic.BUILDS, Topic.EVENTS, Topic.log(build))
        return await self.show(build)

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
        )
