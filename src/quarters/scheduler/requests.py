"""Requests for builds: planned, queued, and planned again by themselves when recipes or packages change."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec
import structlog
from sqlalchemy import Connection

from quarters.formats.format import Format, Formats
from quarters.model.build import Cause
from quarters.model.errors import Invalid, QuartersError
from quarters.planning.catalog import Catalog
from quarters.planning.held import held
from quarters.planning.outdated import Wanted, outdated
from quarters.planning.plan import Plan
from quarters.protocol.resources import BuildRequest, PlanRequest, Requested
from quarters.scheduler.answers import answer, arches_of, chosen, refuse_unknown
from quarters.scheduler.catalogs import ASKED, PLAIN
from quarters.scheduler.enqueue import Order, enqueue
from quarters.scheduler.proposals import Proposal, carry_out, propose, sentences
from quarters.scheduler.settings import SchedulerSettings
from quarters.scheduler.upstreams import Upstreams
from quarters.storage import repositories, requests, reviews, schedules, sources, wishes
from quarters.storage.database import Database
from quarters.storage.sources import Generation
from quarters.storage.wakeups import Topic, Wakeups

Along = Callable[[Connection, Requested], None]
"""Further changes that belong into the transaction of a request."""


class Requests:
    """Turns wishes into builds: those of people at once, those of sources by a loop."""

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

    async def plan(self, request: PlanRequest) -> Plan:
        """What would be built, and why; for the repository's first architecture where none is named."""
        repository = await chosen(self._database, request.repository)
        arch = arches_of(repository, request.arch)[0]
        wish = (
            _asked(request.packages, force=request.force) if request.packages else _everything(request.force)
        )
        await self._upstreams.ensure(repository)
        view = ASKED if request.packages else PLAIN
        proposal = await self._database.read(propose, repository.name, [arch], wish, self._formats, view)
        plan = proposal.parts[0].plan
        if request.packages:
            return plan
        waiting = await self._database.read(reviews.of_repository, repository.name)
        return msgspec.structs.replace(plan, held=held(waiting, waiting))

    async def request(self, request: BuildRequest, requester: str, along: Along | None = None) -> Requested:
        """Queue packages with all that they need; NotFound, with near matches, if no recipe makes one of them.

        `along` is done in the same transaction.
        """
        if bool(request.packages) == request.everything:
            raise Invalid("Name at least one package to build, or ask for everything.")
        if request.source and not request.everything:
            raise Invalid("A source can be named where everything of it is asked for.")
        repository = await chosen(self._database, await self._repository_of(request))
        arches = arches_of(repository, request.arch)
        await self._upstreams.ensure(repository)

        def make(connection: Connection) -> Proposal:
            wish = _all_of(request) if request.everything else _asked(request.packages, force=request.force)
            return propose(connection, repository.name, arches, wish, self._formats, ASKED)

        queue = partial(_queue, request=request, requester=requester, now=self._now())

        def deed(connection: Connection, proposal: Proposal) -> Requested:
            requested = queue(connection, proposal)
            if along is not None:
                along(connection, requested)
            return requested

        answer = await carry_out(self._database, make, deed)
        self._wakeups.notify(Topic.READY, Topic.BUILDS, Topic.EVENTS)
        return answer

    async def _repository_of(self, request: BuildRequest) -> str | None:
        """The one that is named, or that the named source feeds."""
        if not request.source:
            return request.repository
        source = await self._database.read(sources.get, request.source)
        if request.repository not in (None, source.repository):
            raise Invalid(
                f"The source {source.name!r} is for {source.repository}, not for {request.repository}."
            )
        return source.repository

    async def run(self) -> None:
        """Plan automatic sources whenever something changed, and look at upstreams now and then; without end."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._plan_again_and_again())
            tasks.create_task(self._refresh_again_and_again())

    async def plan_sources(self) -> None:
        """One round: plan the automatic sources with new recipes, and those whose problems may be gone."""
        for generation in await self._database.read(self._worth_a_look):
            try:
                await self._plan_source(generation)
            except QuartersError as error:
                structlog.get_logger(__name__).warning(
                    "source cannot be planned", source=generation.source.name, error=str(error)
                )

    async def _plan_source(self, generation: Generation) -> None:
        repository = await self._database.read(repositories.get, generation.source.repository)
        await self._upstreams.ensure(repository)

        def make(connection: Connection) -> Proposal:
            wish = _outdated_of(generation.source.name, schedules.own(connection, generation.source.name))
            return propose(connection, repository.name, repository.arches, wish, self._formats)

        deed = partial(_queue_outdated, generation=generation, now=self._now())
        if await carry_out(self._database, make, deed):
            self._wakeups.notify(Topic.READY, Topic.BUILDS, Topic.EVENTS)

    def _worth_a_look(self, connection: Connection) -> list[Generation]:
        return [*sources.unplanned(connection), *self._worth_another_look(connection)]

    def _worth_another_look(self, connection: Connection) -> list[Generation]:
        """Sources that had problems which something new may have solved; not at every publish of a busy hour."""
        before = self._now() - timedelta(seconds=self._settings.replan)
        found = []
        for source in sources.enabled(connection):
            if not source.automatic:
                continue
            latest = requests.latest(connection, source.repository, requests.by_source(source.name))
            if (
                latest is not None
                and latest.problems
                and latest.planned_at <= before
                and requests.changed_since(connection, source.repository, latest.planned_at)
            ):
                found.append(Generation(source, 0))
        return found

    async def _plan_again_and_again(self) -> None:
        await self._wakeups.follow(Topic.PLANNING, self.plan_sources, self._settings.poll)

    async def _refresh_again_and_again(self) -> None:
        while True:
            try:
                await self._upstreams.refresh()
            except Exception:  # noqa: BLE001 - the loop's outermost frame
                structlog.get_logger(__name__).exception("refreshing upstreams failed; it is tried again")
            await asyncio.sleep(min(self._settings.upstream_refresh, 6 * self._settings.poll))


def _asked(packages: Sequence[str], *, force: bool) -> Callable[[Catalog, Format], list[Wanted]]:
    return lambda _catalog, _format: [Wanted(name, Cause.REQUESTED, force) for name in packages]


def _all_of(request: BuildRequest) -> Callable[[Catalog, Format], list[Wanted]]:
    """What a person wants who wants everything."""

    def wish(catalog: Catalog, format: Format) -> list[Wanted]:
        here = (name for name, it in sorted(catalog.recipes.items()) if catalog.builds_here(it.recipe))
        found = (
            [Wanted(it, Cause.REQUESTED, True) for it in here] if request.force else outdated(catalog, format)
        )
        return [it for it in found if request.source in ("", catalog.recipes[it.name].source)]

    return wish


def _everything(force: bool) -> Callable[[Catalog, Format], list[Wanted]]:
    if force:
        return lambda catalog, _format: [Wanted(name, Cause.REBUILD, True) for name in catalog.recipes]
    return outdated


def _outdated_of(source: str, others: Collection[str]) -> Callable[[Catalog, Format], list[Wanted]]:
    """What is outdated of the recipes of `source` without `others`, which wait for the clock or a named trigger."""

    def wish(catalog: Catalog, format: Format) -> list[Wanted]:
        # What lost a library is built again by policy, whatever source it comes from.
        return [
            one
            for one in outdated(catalog, format)
            if catalog.recipes[one.name].source == source
            and one.name not in others
            and not catalog.recipes[one.name].recipe.configuration.trigger
            and one.cause is not Cause.REBUILD
        ]

    return wish


def _queue(
    connection: Connection, proposal: Proposal, *, request: BuildRequest, requester: str, now: datetime
) -> Requested:
    """Carry out what a person asked for."""
    refuse_unknown(proposal)
    arch = proposal.parts[0].plan.arch if len(proposal.parts) == 1 else ""
    number = requests.add(connection, proposal.repository, arch, requester, request.packages, now)
    order = Order(
        request=number,
        requester=requester,
        priority=request.priority,
        allow_downgrade=request.allow_downgrade,
    )
    done = [enqueue(connection, plan, recipes, order, now) for plan, recipes in proposal.parts]
    problems = sentences(connection, proposal)
    requests.set_problems(connection, number, problems, now)
    current = [one.pkgbase for plan, _ in proposal.parts for one in plan.current]
    return answer(number, done, problems, current=tuple(dict.fromkeys(current)))


def _queue_outdated(
    connection: Connection, proposal: Proposal, *, generation: Generation, now: datetime
) -> bool:
    """Carry out what a source's recipes ask for; whether there is anything new to build."""
    name = generation.source.name
    requester = requests.by_source(name)
    earlier = requests.latest(connection, proposal.repository, requester)
    number = requests.add(connection, proposal.repository, "", requester, (), now)
    order = Order(request=number, requester=requester, automatic=True)
    done = [enqueue(connection, plan, recipes, order, now) for plan, recipes in proposal.parts]
    new = any(one.created for one in done)
    if earlier is not None and not new:
        wishes.pass_on(connection, number, earlier.id)
        requests.forget(connection, number)
        number = earlier.id
    requests.set_problems(connection, number, sentences(connection, proposal), now)
    sources.planned(connection, name, generation.number)
    return new
