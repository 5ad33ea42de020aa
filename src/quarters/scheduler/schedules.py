"""Builds by the clock: schedules as people set them, and the loop that fires them."""

from collections.abc import Callable, Collection, Coroutine
from datetime import UTC, datetime

import msgspec
import structlog
from sqlalchemy import Connection

from quarters.formats.format import Format, Formats
from quarters.model.build import Cause
from quarters.model.errors import QuartersError
from quarters.model.schedule import ScheduleEntry
from quarters.planning.catalog import Catalog
from quarters.planning.outdated import Wanted, standing
from quarters.planning.schedule import Schedule
from quarters.protocol import cursors
from quarters.protocol.resources import NewSchedule, Page
from quarters.scheduler.proposals import Proposal, carry_out, propose
from quarters.scheduler.settings import SchedulerSettings
from quarters.scheduler.unasked import queue_unasked
from quarters.scheduler.upstreams import Upstreams
from quarters.storage import recipes, repositories, schedules, sources
from quarters.storage.database import Database
from quarters.storage.events import record
from quarters.storage.wakeups import Topic, Wakeups

_START = ("", "")


class Schedules:
    """Schedules of sources and of single recipes; what was missed while the server was down fires once."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        upstreams: Upstreams,
        formats: Formats,
        settings: SchedulerSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._upstreams = upstreams
        self._formats = formats
        self._settings = settings
        self._now = now
        self._looked: datetime | None = None

    async def list(self, limit: int, cursor: str | None) -> Page[ScheduleEntry]:
        """Schedules by source and pkgbase."""
        after = cursors.decode(cursor, tuple[str, str], _START)
        found = await self._database.read(schedules.listed, after=after, limit=limit + 1)
        return cursors.page(found, limit, lambda entry: (entry.source, entry.pkgbase))

    async def put(self, new: NewSchedule) -> ScheduleEntry:
        """Set the schedule of a source or recipe; Invalid (expression, time zone) or NotFound (source, recipe)."""
        now = self._now()
        schedule = Schedule(new.expression, new.timezone)
        entry = ScheduleEntry(**msgspec.structs.asdict(new), next_at=schedule.after(now))

        def change(connection: Connection) -> None:
            sources.get(connection, new.source)
            if new.pkgbase:
                recipes.get(connection, new.pkgbase, new.source)
            schedules.put(connection, entry)
            record(connection, now, "source.changed", new.source, {})

        await self._database.write(change)
        self._wakeups.notify(Topic.PLANNING, Topic.EVENTS)
        return entry

    async def remove(self, source: str, pkgbase: str) -> None:
        """Let the clock mean nothing to a source or recipe, or NotFound."""
        await self._database.write(schedules.remove, source, pkgbase)

    async def run(self) -> None:
        """Fire what is due and plan what that asks for; without end."""
        await self._wakeups.follow(Topic.PLANNING, self.round, self._settings.poll)

    async def round(self) -> None:
        """Fire what is due, and plan the builds of what fired and has been synced since."""
        now = self._now()
        if self._looked is None or now < self._looked:
            for entry in await self._database.read(schedules.listed):
                await self._watched(self._bring_back(entry, now), entry)
        self._looked = now
        for entry in await self._database.read(schedules.due, now):
            await self._watched(self._fire(entry, now), entry)
        for entry in await self._database.read(schedules.fired):
            await self._watched(self._plan(entry), entry)

    async def _watched(self, work: Coroutine[None, None, None], entry: ScheduleEntry) -> None:
        """One schedule's trouble is not the others'."""
        try:
            await work
        except QuartersError as error:
            log = structlog.get_logger(__name__)
            log.warning("a schedule cannot be followed", source=entry.source, error=str(error))

    async def _bring_back(self, entry: ScheduleEntry, now: datetime) -> None:
        """A time that was worked out while the clock was far ahead would not come for long."""
        schedule = Schedule(entry.expression, entry.timezone)
        # A clock that was only a little ahead has fired the first of these already.
        first, second = schedule.times(now, 2)
        if entry.next_at > second:
            await self._database.write(schedules.move, entry, first.astimezone(UTC))

    async def _fire(self, entry: ScheduleEntry, now: datetime) -> None:
        next_at = Schedule(entry.expression, entry.timezone).after(now)
        if await self._database.write(schedules.fire, entry, next_at, now):
            self._wakeups.notify(Topic.SOURCES)

    async def _plan(self, entry: ScheduleEntry) -> None:
        source = await self._database.read(sources.get, entry.source)
        repository = await self._database.read(repositories.get, source.repository)
        await self._upstreams.ensure(repository)

        def make(connection: Connection) -> Proposal:
            wish = _wish(entry, schedules.own(connection, entry.source))
            return propose(connection, repository.name, repository.arches, wish, self._formats)

        def deed(connection: Connection, proposal: Proposal) -> None:
            _queue(connection, proposal, entry, self._now())

        await carry_out(self._database, make, deed)
        self._wakeups.notify(Topic.READY, Topic.BUILDS, Topic.EVENTS)


def _wish(entry: ScheduleEntry, own: Collection[str]) -> Callable[[Catalog, Format], list[Wanted]]:
    """What is outdated, and what works its version out while it is built: only a build tells whether there is a new one."""

    def wish(catalog: Catalog, format: Format) -> list[Wanted]:
        return [
            Wanted(pkgbase, Cause.SCHEDULE)
            for pkgbase, candidate in sorted(catalog.recipes.items())
            if candidate.source == entry.source
            and (pkgbase == entry.pkgbase if entry.pkgbase else pkgbase not in own)
            and catalog.builds_here(candidate.recipe)
            and (candidate.recipe.dynamic_version or standing(pkgbase, catalog, format).cause)
        ]

    return wish


def _queue(connection: Connection, proposal: Proposal, entry: ScheduleEntry, now: datetime) -> None:
    requester = f"schedule:{entry.source}" + (f"/{entry.pkgbase}" if entry.pkgbase else "")
    queue_unasked(connection, proposal, requester, [entry.pkgbase] if entry.pkgbase else (), now)
    schedules.planned(connection, entry)
