"""Builds what people's commits ask for in their messages."""

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import Connection

from quarters.model.commit import ALL, Commit
from quarters.model.errors import QuartersError
from quarters.protocol.resources import BuildRequest, Requested
from quarters.scheduler.requests import Requests
from quarters.storage import commits, events, recipes, sources
from quarters.storage.database import Database
from quarters.storage.wakeups import Topic, Wakeups

_LOOK = 30.0
"""Seconds between two looks at the rows, should a wake-up be missed."""


class Deploys:
    """Follows commits in the order in which they came; each is carried out once, whatever happens in between."""

    def __init__(
        self, database: Database, wakeups: Wakeups, requests: Requests, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._requests = requests
        self._now = now

    async def run(self) -> None:
        """Look whenever a source may have brought something; without end."""
        await self._wakeups.follow(Topic.PLANNING, self.carry_out, _LOOK)

    async def carry_out(self) -> None:
        """One round."""
        for commit in await self._database.read(commits.pending):
            try:
                await self._deploy(commit)
            except QuartersError as error:
                await self._database.write(self._refused, commit, str(error))
                structlog.get_logger(__name__).info(
                    "commit refused", revision=commit.revision, error=str(error)
                )
            self._wakeups.notify(Topic.EVENTS)

    async def _deploy(self, commit: Commit) -> None:
        repository, wanted, unknown = await self._database.read(_wanted, commit)
        problem = " ".join(f"The source {commit.source} has no package {name!r}." for name in unknown)
        if not wanted:
            await self._database.write(self._refused, commit, problem or "The source has no packages.")
            return

        def along(connection: Connection, requested: Requested) -> None:
            sentences = [problem, *requested.problems] if problem else list(requested.problems)
            commits.done(connection, commit, requested.request, " ".join(sentences))
            if problem:
                self._tell(connection, commit, problem)

        request = BuildRequest(packages=wanted, repository=repository, force=True)
        await self._requests.request(request, f"commit:{commit.source}@{commit.revision[:12]}", along)

    def _refused(self, connection: Connection, commit: Commit, problem: str) -> None:
        commits.done(connection, commit, None, problem)
        self._tell(connection, commit, problem)

    def _tell(self, connection: Connection, commit: Commit, problem: str) -> None:
        data: events.Data = {"revision": commit.revision, "problem": problem}
        events.record(connection, self._now(), "commit.refused", commit.source, data)


def _wanted(connection: Connection, commit: Commit) -> tuple[str, tuple[str, ...], list[str]]:
    """The repository, the pkgbases of the source that are asked for, and names that it does not have."""
    source = sources.get(connection, commit.source)
    found = recipes.of_source(connection, commit.source)
    bases: dict[str, str] = {}
    for each in found:
        names = [it.name for it in each.recipe.outputs] if each.recipe is not None else []
        bases |= dict.fromkeys(names, each.pkgbase)
    bases |= {each.pkgbase: each.pkgbase for each in found}
    if ALL in commit.asks:
        usable = (each.pkgbase for each in found if each.recipe is not None and not each.problem)
        return source.repository, tuple(usable), []
    wanted = dict.fromkeys(bases[name] for name in commit.asks if name in bases)
    return source.repository, tuple(wanted), [name for name in commit.asks if name not in bases]
