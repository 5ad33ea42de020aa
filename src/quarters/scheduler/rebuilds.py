"""Rebuilds: what links to a library is built again, in order, and becomes visible together with it."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy import Connection

from quarters.formats.format import Formats
from quarters.model.build import SATISFIED
from quarters.model.errors import NotFound, QuartersError
from quarters.model.rebuild import Rebuild, RebuildState
from quarters.model.repository import Rebuilds as Policy
from quarters.model.repository import Repository
from quarters.planning.plan import Plan
from quarters.planning.together import why_not_visible
from quarters.protocol import cursors
from quarters.protocol.rebuilds import Member, RebuildRequest, RebuildView, Suggestion
from quarters.protocol.resources import Page, Requested
from quarters.scheduler import catalogs, rebuilding, regrouping
from quarters.scheduler.answers import arches_of, chosen, refuse_unknown
from quarters.scheduler.catalogs import View
from quarters.scheduler.proposals import Proposal, carry_out, propose
from quarters.scheduler.settings import SchedulerSettings
from quarters.scheduler.upstreams import Upstreams
from quarters.storage import events, libraries, rebuilds, repositories, requests
from quarters.storage.database import Database
from quarters.storage.requests import Basis
from quarters.storage.wakeups import Topic, Wakeups

_REQUESTER = "rebuilds"
_CHANGED = (Topic.READY, Topic.BUILDS, Topic.PUBLISHING, Topic.EVENTS)


class Rebuilds:
    """Builds again what people ask for and what lost a library; a rebuild grows until nothing in it is left behind."""

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
        # Only spares planning a whole repository whenever any build ends.
        self._acted: dict[tuple[str, str], tuple[Repository, Basis]] = {}

    async def plan(self, request: RebuildRequest) -> tuple[Plan, ...]:
        """What would be built again, for each architecture; nothing is queued."""
        repository, make = await self._prepared(request)
        proposal = await self._database.read(make)
        _refuse_nothing(proposal, request, repository)
        return tuple(part.plan for part in proposal.parts)

    async def request(self, request: RebuildRequest, requester: str) -> Requested:
        """Queue it; NotFound if no recipe makes what is named, or nothing links to a library that is named."""
        repository, make = await self._prepared(request)

        def deed(connection: Connection, proposal: Proposal) -> Requested:
            _refuse_nothing(proposal, request, repository)
            return regrouping.queue(connection, proposal, request, requester, self._now())

        answer = await carry_out(self._database, make, deed)
        self._wakeups.notify(*_CHANGED)
        return answer

    async def suggested(self, repository: str | None) -> tuple[Suggestion, ...]:
        """What links to libraries that are there no more, in one repository or in all."""
        places = await self._database.read(libraries.lossy)
        found: list[Suggestion] = []
        for name, arch in sorted(places):
            if repository in (None, name):
                found += await self._database.read(self._suggested, name, arch)
        return tuple(found)

    async def list(self, repository: str | None, limit: int, cursor: str | None) -> Page[RebuildView]:
        """Rebuilds, newest first."""
        before = cursors.decode(cursor, int, 0) or None

        def read(connection: Connection) -> list[RebuildView]:
            found = rebuilds.listed(connection, repository, before=before, limit=limit + 1)
            return [_view(connection, it) for it in found]

        return cursors.page(await self._database.read(read), limit, lambda it: it.id)

    async def show(self, number: int) -> RebuildView:
        """One rebuild, or NotFound."""
        return await self._database.read(
            lambda connection: _view(connection, rebuilds.get(connection, number))
        )

    async def publish(self, number: int) -> RebuildView:
        """Publish what has succeeded, without the rest; Conflict while something of it is still being built."""
        await self._database.write(regrouping.publish, number)
        self._wakeups.notify(*_CHANGED)
        return await self.show(number)

    async def drop(self, number: int, who: str) -> RebuildView:
        """Give a rebuild up: its open builds are cancelled, and nothing of it is published."""
        await self._database.write(regrouping.drop, number, who, self._now())
        self._wakeups.notify(*_CHANGED)
        return await self.show(number)

    async def run(self) -> None:
        """Let rebuilds grow and become complete, and act on lost libraries, without end."""
        await self._wakeups.follow(Topic.BUILDS, self.round, self._settings.poll)

    async def round(self) -> None:
        """One look at all rebuilds and at everything that was lost."""
        for rebuild in await self._database.read(rebuilds.pending):
            if rebuild.state is RebuildState.OPEN:
                await self._watched(self._advance(rebuild), rebuild.repository)
        for name, arch in sorted(await self._database.read(libraries.lossy)):
            await self._watched(self._act(name, arch), name)

    async def _watched(self, work: Coroutine[None, None, None], repository: str) -> None:
        """One repository's trouble is not the others'."""
        try:
            await work
        except QuartersError as error:
            structlog.get_logger(__name__).warning(
                "a rebuild cannot go on", repository=repository, error=str(error)
            )

    async def _advance(self, rebuild: Rebuild) -> None:
        """Once all that a rebuild holds is built: what else must be, or that it is complete."""
        members = await self._database.read(rebuilds.members, rebuild.id)
        if not members or any(build.state not in SATISFIED for build in members):
            return
        repository = await self._database.read(repositories.get, rebuild.repository)

        def make(connection: Connection) -> Proposal:
            tried = rebuilding.by_tries(rebuilds.tries(connection, rebuild.id))
            view = View(rebuilds.staging(connection, rebuild.id), linked=True, former=True)
            wish = rebuilding.left_over(tried)
            return propose(connection, repository.name, repository.arches, wish, self._formats, view)

        await self._upstreams.ensure(repository)
        deed = partial(regrouping.grow, rebuild=rebuild, formats=self._formats, now=self._now())
        if await carry_out(self._database, make, deed):
            self._wakeups.notify(*_CHANGED)

    async def _act(self, name: str, arch: str) -> None:
        """Tell of what was lost or, where the policy says so, build again what links to it."""
        repository = await self._database.read(repositories.get, name)
        if repository.rebuilds is Policy.AUTO:
            known = repository, await self._database.read(requests.basis, name)
            if self._acted.get((name, arch)) != known:
                await self._rebuild(repository, arch)
                self._acted[name, arch] = known
        elif repository.rebuilds is Policy.SUGGEST:
            await self._suggest(name, arch)

    async def _rebuild(self, repository: Repository, arch: str) -> None:
        """Build again what links to something that was lost, unless that was tried before."""
        name = repository.name

        def make(connection: Connection) -> Proposal:
            tried = rebuilding.by_history(rebuilds.tried(connection, name, arch))
            return propose(connection, name, [arch], rebuilding.left_over(tried), self._formats)

        if any(part.plan.builds for part in (await self._database.read(make)).parts):
            await self._upstreams.ensure(repository)
            request = RebuildRequest(suggested=True, repository=name, arch=arch)
            deed = partial(regrouping.queue, request=request, requester=_REQUESTER, now=self._now())
            await carry_out(self._database, make, deed)
            self._wakeups.notify(*_CHANGED)

    async def _suggest(self, name: str, arch: str) -> None:
        if (name, arch) not in await self._database.read(libraries.unnoticed):
            return

        def tell(connection: Connection) -> None:
            for it in self._suggested(connection, name, arch):
                data: events.Data = {
                    "arch": arch, "pkgbase": it.pkgbase, "library": it.library, "successor": it.successor,
                }  # fmt: skip
                events.record(connection, self._now(), "rebuild.suggested", name, data)
            libraries.notice(connection, name, arch)

        await self._database.write(tell)
        self._wakeups.notify(Topic.EVENTS)

    def _suggested(self, connection: Connection, name: str, arch: str) -> tuple[Suggestion, ...]:
        repository = repositories.get(connection, name)
        if repository.rebuilds is Policy.OFF:
            return ()
        format = self._formats[repository.format]
        return tuple(rebuilding.suggestions(catalogs.read(connection, repository, arch, format).catalog))

    async def _prepared(self, request: RebuildRequest) -> tuple[Repository, Callable[[Connection], Proposal]]:
        wish = rebuilding.wish(request)
        repository = await chosen(self._database, request.repository)
        arches = arches_of(repository, request.arch)
        await self._upstreams.ensure(repository)

        def make(connection: Connection) -> Proposal:
            view = View(linked=True, former=True)
            return propose(connection, repository.name, arches, wish, self._formats, view)

        return repository, make


def _refuse_nothing(proposal: Proposal, request: RebuildRequest, repository: Repository) -> None:
    refuse_unknown(proposal)
    if any(part.plan.builds or part.plan.problems for part in proposal.parts):
        return
    if request.depends_on:
        raise NotFound(f"Nothing in {repository.name} links to {', '.join(request.depends_on)}.")
    if not request.suggested:
        raise NotFound(f"Nothing that {repository.name} lists has a recipe.")


def _view(connection: Connection, rebuild: Rebuild) -> RebuildView:
    members = rebuilds.members(connection, rebuild.id)
    return RebuildView(
        **{name: getattr(rebuild, name) for name in rebuild.__struct_fields__},
        why=why_not_visible(rebuild, members),
        builds=tuple(
            Member(build=it.id, pkgbase=it.pkgbase, arch=it.arch, version=it.version, state=it.state)
            for it in members
        ),
    )
