"""Builds of what followed upstreams, named triggers and packages of upstream repositories ask for."""

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from sqlalchemy import Connection

from quarters.formats.format import Format, Formats
from quarters.model.build import Cause
from quarters.model.errors import QuartersError
from quarters.model.repository import Repository
from quarters.model.source import Source
from quarters.model.updates import UpdateState
from quarters.planning.catalog import Catalog
from quarters.planning.outdated import Wanted
from quarters.planning.renewal import renewals, wanted
from quarters.scheduler.proposals import Proposal, carry_out, propose
from quarters.scheduler.settings import SchedulerSettings
from quarters.scheduler.unasked import queue_unasked
from quarters.scheduler.upstreams import Upstreams
from quarters.storage import recipes, repositories, sources, updates, upstreams
from quarters.storage.database import Database
from quarters.storage.wakeups import Topic, Wakeups


class Renewals:
    """Holds recipes against upstream repositories, and queues what rows of updates ask for."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        looking: Upstreams,
        formats: Formats,
        settings: SchedulerSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._upstreams = looking
        self._formats = formats
        self._settings = settings
        self._now = now
        self._held: dict[str, tuple[int, datetime | None]] = {}

    async def run(self) -> None:
        """Look whenever something may have changed; without end."""
        await self._wakeups.follow(Topic.PLANNING, self.round, self._settings.poll)

    async def round(self) -> None:
        """One look at all sources."""
        for source in await self._database.read(sources.enabled):
            if source.automatic:
                await self._notice(source)
        for name in await self._database.read(updates.wanting):
            try:
                await self._plan(await self._database.read(sources.get, name))
            except QuartersError as error:
                structlog.get_logger(__name__).warning(
                    "what upstreams ask for cannot be planned", source=name, error=str(error)
                )

    async def _notice(self, source: Source) -> None:
        """Hold the recipes that name packages of upstream repositories against what those hold now."""
        repository = await self._database.read(repositories.get, source.repository)
        await self._upstreams.ensure(repository)
        state = await self._database.read(_state, source)
        if self._held.get(source.name) != state:
            await self._hold(source, repository)
            self._held[source.name] = state

    async def _hold(self, source: Source, repository: Repository) -> None:
        triggers, seen = await self._database.read(_named, source)
        if not triggers and not seen:
            return
        names = {name for named in triggers.values() for name in named}
        now = await self._database.read(_versions, repository, names)
        # What could not be read keeps the version that it had.
        kept = {name: version for name, version in {**seen, **now}.items() if name in names}
        if kept == seen:
            return
        wishes = [
            UpdateState(path=path, cause=Cause.REBUILD, detail=why)
            for path, why in renewals(triggers, seen, now).items()
        ]

        def note(connection: Connection) -> None:
            updates.see(connection, source.name, kept)
            updates.want(connection, source.name, wishes)

        await self._database.write(note)

    async def _plan(self, source: Source) -> None:
        repository = await self._database.read(repositories.get, source.repository)
        await self._upstreams.ensure(repository)
        wishes = await self._database.read(updates.wanted, source.name)

        def make(connection: Connection) -> Proposal:
            known = {it.origin.path: it.pkgbase for it in recipes.of_source(connection, source.name)}

            def wish(catalog: Catalog, _format: Format) -> list[Wanted]:
                return wanted(wishes, known, source.name, catalog)

            return propose(connection, repository.name, repository.arches, wish, self._formats)

        def deed(connection: Connection, proposal: Proposal) -> None:
            queue_unasked(connection, proposal, f"updates:{source.name}", (), self._now())
            updates.built(connection, source.name, wishes)

        await carry_out(self._database, make, deed)
        self._wakeups.notify(Topic.READY, Topic.BUILDS, Topic.EVENTS)


def _state(connection: Connection, source: Source) -> tuple[int, datetime | None]:
    """What is another when recipes or upstream repositories are."""
    changed_at = upstreams.changed_at(connection, source.repository)
    return sources.generation(connection, source.name), changed_at


def _named(connection: Connection, source: Source) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """By folder, the packages whose new versions have a recipe built again; and the versions last seen."""
    known = recipes.of_source(connection, source.name)
    triggers = {
        it.origin.path: it.recipe.configuration.rebuild_on
        for it in known
        if it.recipe is not None and it.recipe.configuration.rebuild_on
    }
    return triggers, updates.seen(connection, source.name)


def _versions(connection: Connection, repository: Repository, names: set[str]) -> Mapping[str, str]:
    """The version of each of `names` in the first upstream that has it."""
    found: dict[str, str] = {}
    for arch in repository.arches:
        for package in upstreams.packages(connection, repository, arch):
            if package.name in names:
                found.setdefault(package.name, package.version)
    return found
