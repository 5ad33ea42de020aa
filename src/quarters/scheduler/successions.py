"""Builds newer recipes after the running builds that were left to finish."""

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import Connection

from quarters.formats.format import Format, Formats
from quarters.model.build import Cause
from quarters.model.errors import QuartersError
from quarters.planning.catalog import Catalog
from quarters.planning.outdated import Wanted
from quarters.scheduler.enqueue import Order, enqueue
from quarters.scheduler.proposals import Proposal, carry_out, propose
from quarters.scheduler.settings import SchedulerSettings
from quarters.storage import needs, successions
from quarters.storage.database import Database
from quarters.storage.successions import Due
from quarters.storage.wakeups import Topic, Wakeups


class Successions:
    """The loop that does so; which builds are followed is in rows."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        formats: Formats,
        settings: SchedulerSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._formats = formats
        self._settings = settings
        self._now = now

    async def run(self) -> None:
        """Look whenever builds end; without end."""
        await self._wakeups.follow(Topic.BUILDS, self.round, self._settings.poll)

    async def round(self) -> None:
        """Queue what follows builds that have ended."""
        for one in await self._database.read(successions.due):
            try:
                await self._follow(one)
            except QuartersError as error:
                log = structlog.get_logger(__name__)
                log.warning("a newer recipe cannot be queued", after=one.build, error=str(error))

    async def _follow(self, one: Due) -> None:
        def wish(catalog: Catalog, _format: Format) -> list[Wanted]:
            return [Wanted(one.pkgbase, Cause.NEW_VERSION)] if one.pkgbase in catalog.recipes else []

        def make(connection: Connection) -> Proposal:
            return propose(connection, one.repository, [one.arch], wish, self._formats)

        def deed(connection: Connection, proposal: Proposal) -> None:
            now = self._now()
            order = Order(request=one.request, requester=one.requester, priority=one.priority)
            for plan, recipes in proposal.parts:
                enqueue(connection, plan, recipes, order, now)
            successions.drop(connection, one.build)
            needs.release_dependents(connection, one.build, now)

        await carry_out(self._database, make, deed)
        self._wakeups.notify(Topic.READY, Topic.BUILDS, Topic.EVENTS)
