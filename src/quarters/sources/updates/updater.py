"""Updates as people ask for them, and the loop that runs them by the clock."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection

from quarters.formats.format import Formats
from quarters.model.build import Cause
from quarters.model.errors import Conflict, NotFound, QuartersError
from quarters.model.recipe import SourcedRecipe
from quarters.model.review import Place, ReviewState
from quarters.model.source import Source
from quarters.model.updates import UpdateRun, UpdateState
from quarters.planning.schedule import Schedule
from quarters.protocol.updates import Stale, UpdateReport, UpdatesView, UpdateWish
from quarters.sources.settings import SourcesSettings
from quarters.sources.sync import SourceSync
from quarters.sources.updates.looking import Tools
from quarters.sources.updates.run import Run
from quarters.sources.updates.workbench import Workbench
from quarters.storage import events, recipes, repositories, reviews, sources, updates
from quarters.storage.database import Database
from quarters.storage.wakeups import Topic, Wakeups

_LOOK = 5.0
"""Seconds between two looks at the rows, should a wake-up be missed."""
_KIND = "tree"


class Updater:
    """Follows the upstreams of trees: one run of a source at a time."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        settings: SourcesSettings,
        formats: Formats,
        syncing: SourceSync,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._settings = settings
        self._formats = formats
        self._syncing = syncing
        self._now = now
        self._workbench = Workbench(settings.update_timeout, settings.evaluations)
        self._alone: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._busy: set[str] = set()
        self._tried: dict[str, frozenset[int]] = {}

    async def show(self, name: str) -> UpdatesView:
        """How the updates of a source go; NotFound."""

        def read(connection: Connection) -> UpdatesView:
            source = sources.get(connection, name)
            return _view(source, updates.run(connection, name), updates.states(connection, name), self._now())

        return await self._database.read(read)

    async def ask(self, name: str, wish: UpdateWish) -> UpdateReport:
        """Do what `wish` asks for: a dry run at once, a trigger at once, the rest by the loop.

        NotFound (source, package, trigger), Conflict if the source has no upstreams, SourceUnreachable.
        """
        source = await self._syncing.show(name)
        if source.kind != _KIND:
            raise Conflict(f"A source of kind {source.kind!r} has no upstreams; only a {_KIND} has.")
        if not source.enabled:
            raise Conflict(f"The source {name!r} is disabled; enable it first.")
        if wish.trigger:
            return await self._fire(source, wish)
        known = {it for row in await self._recipes(name) for it in (row.pkgbase, row.origin.path)}
        if unknown := [it for it in wish.packages if it not in known]:
            raise NotFound(f"The source {name!r} has no package {unknown[0]!r}.")
        if wish.dry_run:
            return await self._perform(source, wish.packages, dry_run=True)
        await self._database.write(_wanted, name, wish.packages)
        self._wakeups.notify(Topic.SOURCES)
        return UpdateReport(pending=True)

    async def run(self) -> None:
        """Run what is due, for ever; each source by itself, so that none waits for another."""
        async with asyncio.TaskGroup() as group:
            while True:
                mark = self._wakeups.mark(Topic.SOURCES)
                for source in await self._syncing.followed(_KIND):
                    if source.name in self._busy:
                        continue
                    await self._fire_what_is_due(source)
                    names = await self._due(source)
                    if names is not None:
                        self._busy.add(source.name)
                        group.create_task(self._follow(source, names))
                await self._wakeups.wait(Topic.SOURCES, mark, _LOOK)

    async def _follow(self, source: Source, names: Sequence[str]) -> None:
        try:
            await self._perform(source, names)
        except QuartersError as error:
            await self._database.write(_failed, source.name, str(error), self._now())
        except Exception as error:  # noqa: BLE001 - the outermost frame of one source's run: the others go on
            structlog.get_logger().exception("updating failed unexpectedly", source=source.name)
            await self._database.write(_failed, source.name, f"Unexpectedly: {error!r}.", self._now())
        finally:
            await self._database.write(_no_longer_wanted, source.name, tuple(names))
            self._busy.discard(source.name)
            self._wakeups.notify(Topic.SOURCES, Topic.PLANNING, Topic.EVENTS)

    async def _perform(self, source: Source, names: Sequence[str], *, dry_run: bool = False) -> UpdateReport:
        repository = await self._database.read(repositories.get, source.repository)
        tools = Tools(
            self._settings, self._formats[repository.format], self._syncing.evaluator, self._workbench
        )
        async with self._alone[source.name]:
            run = Run(self._database, source, self._syncing.mirror(source.name), tools, self._now)
            return await run.perform(names, dry_run=dry_run)

    async def _due(self, source: Source) -> Sequence[str] | None:
        """The packages to look at now, () for all; None if there is nothing to do."""
        run = await self._database.read(updates.run, source.name)
        # What was never read has no recipes to look at.
        if source.synced_at is None:
            return None
        if run.wanted is not None:
            return run.wanted
        if source.updates.follow and _next(source, run) <= self._now():
            return ()
        waiting = await self._database.read(reviews.unsettled, source.name, Place.UPSTREAM)
        ready = [
            it
            for it in waiting
            if it.state is ReviewState.APPROVED or (it.passes_at is not None and it.passes_at <= self._now())
        ]
        # What could not be committed at once is tried again by the clock alone.
        numbers = frozenset(it.id for it in ready)
        if not source.updates.push or numbers <= self._tried.get(source.name, frozenset()):
            return None
        self._tried[source.name] = numbers
        return sorted({it.path for it in ready})

    async def _fire(self, source: Source, wish: UpdateWish) -> UpdateReport:
        if not wish.dry_run:
            found = await self._database.write(_fired, source.name, wish.trigger, self._now())
            self._wakeups.notify(Topic.PLANNING, Topic.EVENTS)
        else:
            found = _triggered(await self._recipes(source.name), wish.trigger)
        if not found:
            raise NotFound(f"No recipe of {source.name} has the trigger {wish.trigger!r}.")
        return UpdateReport(builds={it.path: it.detail for it in found})

    async def _fire_what_is_due(self, source: Source) -> None:
        if not source.updates.triggers:
            return
        run = await self._database.read(updates.run, source.name)
        now = self._now()
        for trigger in source.updates.triggers:
            last = run.fired.get(trigger.name)
            if last is None:
                await self._database.write(_note, source.name, trigger.name, now)
            elif Schedule(trigger.schedule, source.updates.timezone).after(last) <= now:
                await self._database.write(_fired, source.name, trigger.name, now)
                self._wakeups.notify(Topic.PLANNING, Topic.EVENTS)

    async def _recipes(self, name: str) -> Sequence[SourcedRecipe]:
        return await self._database.read(recipes.of_source, name)


def _wanted(connection: Connection, name: str, packages: Sequence[str]) -> None:
    before = updates.run(connection, name).wanted
    both = () if () in (before, packages) else tuple(dict.fromkeys((*(before or ()), *packages)))
    updates.change_run(connection, name, wanted=both)


def _no_longer_wanted(connection: Connection, name: str, packages: tuple[str, ...]) -> None:
    """A run over `packages` is over; what was asked for meanwhile still is to be done."""
    if updates.run(connection, name).wanted == packages:
        updates.change_run(connection, name, wanted=None)


def _failed(connection: Connection, name: str, problem: str, now: datetime) -> None:
    if updates.run(connection, name).problem != problem:
        events.record(connection, now, "source.update_failed", name, {"problem": problem})
    updates.change_run(connection, name, problem=problem, ended_at=now)


def _note(connection: Connection, name: str, trigger: str, now: datetime) -> None:
    fired = {**updates.run(connection, name).fired, trigger: now}
    updates.change_run(connection, name, fired=fired)


def _fired(connection: Connection, name: str, trigger: str, now: datetime) -> list[UpdateState]:
    """Let all recipes with this trigger be built."""
    found = _triggered(recipes.of_source(connection, name), trigger)
    updates.want(connection, name, found)
    _note(connection, name, trigger, now)
    events.record(connection, now, "source.triggered", name, {"trigger": trigger, "recipes": len(found)})
    return found


def _triggered(known: Sequence[SourcedRecipe], trigger: str) -> list[UpdateState]:
    return [
        UpdateState(path=it.origin.path, cause=Cause.SCHEDULE, detail=f"trigger {trigger}")
        for it in known
        if it.recipe is not None and it.recipe.configuration.trigger == trigger
    ]


def _next(source: Source, run: UpdateRun) -> datetime:
    """When the next run is due; at once before the first."""
    if run.ended_at is None:
        return datetime.min.replace(tzinfo=source.synced_at.tzinfo if source.synced_at else None)
    return Schedule(source.updates.schedule, source.updates.timezone).after(run.ended_at)


def _view(source: Source, run: UpdateRun, states: Mapping[str, UpdateState], now: datetime) -> UpdatesView:
    how = source.updates
    stale = [
        Stale(path=it.path, problem=it.problem, failures=it.failures, retry_at=it.retry_at)
        for it in sorted(states.values(), key=lambda it: it.path)
        if it.problem
    ]
    return UpdatesView(
        next_at=max(_next(source, run), now) if how.follow and source.synced_at else None,
        ended_at=run.ended_at,
        commit=run.commit,
        committed=run.committed,
        problem=run.problem,
        triggers={
            each.name: Schedule(each.schedule, how.timezone).after(run.fired.get(each.name, now))
            for each in how.triggers
        },
        stale=tuple(stale),
    )
