"""Sources as people see and change them, and the loop that keeps their recipes up to date."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import structlog
from sqlalchemy import Connection

from quarters.formats.format import Formats
from quarters.model.commit import Commit
from quarters.model.errors import Conflict, Invalid, QuartersError
from quarters.model.names import plain_name
from quarters.model.source import Source
from quarters.protocol import cursors
from quarters.protocol.resources import NewSource, Page, RecipeView, SourceChange
from quarters.sources import books, ci_defaults, pacman_recipe
from quarters.sources.arbitration import Verdict, settle
from quarters.sources.books import Reading
from quarters.sources.commits import new_commits
from quarters.sources.evaluate import Evaluator
from quarters.sources.gate import Gate
from quarters.sources.git import Git
from quarters.sources.intake import Intake
from quarters.sources.kinds.registry import kinds, usual_review
from quarters.sources.mirror import Mirror
from quarters.sources.settings import SourcesSettings
from quarters.sources.updates.checking import check as check_updates
from quarters.storage import commits, recipes, repositories, requests, sources
from quarters.storage.database import Database
from quarters.storage.events import record
from quarters.storage.recipes import Known
from quarters.storage.sources import Followed
from quarters.storage.wakeups import Topic, Wakeups

_LOOK = 5.0
"""Seconds between two looks at the rows, should a wake-up be missed."""
_FIRST_RETRY = 15.0
_START = ("", "")


class SourceSync:
    """Adds, shows, changes and removes sources; `run` follows them, each as often as the settings say."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        settings: SourcesSettings,
        folder: Path,
        formats: Formats,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._settings = settings
        self._folder = folder
        self._formats = formats
        self._now = now
        self._kinds = kinds(settings)
        self._gate = Gate(database, now)
        self.evaluator = Evaluator(settings.evaluation_timeout, settings.evaluations)
        self._busy: set[str] = set()
        self._failures: dict[str, int] = {}

    async def list(self, limit: int, cursor: str | None) -> Page[Source]:
        """Sources by name."""
        after = cursors.decode(cursor, str, "")
        found = await self._database.read(sources.listed, after=after, limit=limit + 1)
        return cursors.page(found, limit, lambda source: source.name)

    async def show(self, name: str) -> Source:
        """One source, with what of it cannot be built; or NotFound."""
        return await self._database.read(_shown, name)

    async def followed(self, kind: str) -> Sequence[Source]:
        """The enabled sources of one kind."""
        found = await self._database.read(sources.enabled)
        return [source for source in found if source.kind == kind]

    async def add(self, new: NewSource) -> Source:
        """Add a source whose first sync the loop begins at once; Invalid, NotFound (repository) or Conflict (name)."""
        review = new.review if new.review is not None else usual_review(new.kind)
        source = Source(**msgspec.structs.asdict(new) | {"review": review})
        plain_name(source.name, "source")
        self._check(source)
        now = self._now()

        def insert(connection: Connection) -> Source:
            repository = repositories.get(connection, source.repository)
            if repository.format != pacman_recipe.FORMAT:
                raise Invalid(f"A source of kind {source.kind!r} has no recipes for {repository.format}.")
            sources.add(connection, source)
            sources.change(connection, source.name, sync_wanted_at=now)
            record(connection, now, "source.added", source.name, {"repository": source.repository})
            return sources.get(connection, source.name)

        return await self._told(await self._database.write(insert))

    async def change(self, name: str, change: SourceChange) -> Source:
        """Change the fields that are given; a new location or branch, or enabling it, brings a sync."""
        given = {key: value for key, value in msgspec.structs.asdict(change).items() if value is not None}
        now = self._now()

        def update(connection: Connection) -> Source:
            before = sources.get(connection, name)
            self._check(msgspec.structs.replace(before, **given))
            if given:
                # What was committed elsewhere before asks for nothing.
                anew = {"revision": ""} if given.keys() & {"location", "branch", "path"} else {}
                sources.change(connection, name, sync_wanted_at=now, **anew, **given)
                record(connection, now, "source.changed", name, {})
            return sources.get(connection, name)

        return await self._told(await self._database.write(update))

    async def remove(self, name: str) -> None:
        """Remove a source and its recipes; Conflict while builds of it are unfinished: they need its files."""
        now = self._now()

        def delete(connection: Connection) -> None:
            unfinished = sources.unfinished_builds(connection, name)
            if unfinished:
                raise Conflict(
                    f"{unfinished} unfinished builds still need the source {name!r}; cancel them, or disable it and wait."
                )
            sources.remove(connection, name)
            record(connection, now, "source.removed", name, {})

        await self._database.write(delete)
        self._wakeups.notify(Topic.SOURCES, Topic.PLANNING, Topic.EVENTS)
        if name not in self._busy:
            await asyncio.to_thread(shutil.rmtree, self._cache(name), ignore_errors=True)

    async def sync(self, name: str) -> Source:
        """Ask the loop to sync now; Conflict if the source is disabled."""
        now = self._now()

        def want(connection: Connection) -> Source:
            if not sources.get(connection, name).enabled:
                raise Conflict(f"The source {name!r} is disabled; enable it first.")
            sources.change(connection, name, sync_wanted_at=now)
            return sources.get(connection, name)

        return await self._told(await self._database.write(want))

    async def commits(self, name: str, limit: int, cursor: str | None) -> Page[Commit]:
        """People's commits, the newest first; NotFound."""
        before = cursors.decode(cursor, int, 0) or None

        def read(connection: Connection) -> Sequence[Commit]:
            sources.get(connection, name)
            return commits.listed(connection, name, before=before, limit=limit + 1)

        return cursors.page(await self._database.read(read), limit, lambda commit: commit.number)

    async def recipes(
        self, query: str, source: str | None, limit: int, cursor: str | None
    ) -> Page[RecipeView]:
        """Recipes by pkgbase, those that mention `query` in their names or description."""
        after = cursors.decode(cursor, tuple[str, str], _START)
        found = await self._database.read(
            recipes.listed, mentioning=query, source=source, after=after, limit=limit + 1
        )
        return cursors.page(
            [_view(known) for known in found], limit, lambda view: (view.pkgbase, view.origin.source)
        )

    async def recipe(self, pkgbase: str, source: str | None = None) -> RecipeView:
        """What `source`, or the first enabled one that has it, says about `pkgbase`; NotFound if none does."""
        return _view(await self._database.read(recipes.get, pkgbase, source))

    async def recipe_archive(self, source: str, revision: str, path: str) -> bytes:
        """A recipe's folder as a deterministic tar archive, its files at the top."""
        await self.show(source)
        return await self.mirror(source).archive(revision, path)

    async def run(self) -> None:
        """Sync whatever is due, for ever; each source by itself, so that none waits for another."""
        async with asyncio.TaskGroup() as group:
            while True:
                mark = self._wakeups.mark(Topic.SOURCES)
                for followed in await self._database.read(sources.followed):
                    if followed.name not in self._busy and self._is_due(followed):
                        self._busy.add(followed.name)
                        group.create_task(self._follow(followed.name))
                await self._wakeups.wait(Topic.SOURCES, mark, min(_LOOK, self._settings.poll_interval))

    def _is_due(self, followed: Followed) -> bool:
        if followed.wanted_at is not None or followed.synced_at is None:
            return True
        wait = self._settings.poll_interval
        if followed.failing:
            doubled = _FIRST_RETRY * 2 ** min(self._failures.get(followed.name, 0), 32)
            wait = min(doubled, self._settings.longest_retry)
        return self._now() >= followed.synced_at + timedelta(seconds=wait)

    async def _follow(self, name: str) -> None:
        try:
            await self._sync(await self.show(name))
        except Exception:  # noqa: BLE001 - the outermost frame of one source's sync: the others go on
            structlog.get_logger().exception("A sync failed unexpectedly.", source=name)
            # Without a row that says so, the loop would try again at once, and for ever.
            await asyncio.sleep(_FIRST_RETRY)
        finally:
            self._busy.discard(name)
            self._wakeups.notify(Topic.SOURCES)

    async def _sync(self, source: Source) -> None:
        began = self._now()
        try:
            reading = await self._read(source)
        except QuartersError as error:
            self._failures[source.name] = self._failures.get(source.name, -1) + 1
            await self._database.write(books.failed, source, str(error), began, self._now())
        else:
            self._failures.pop(source.name, None)
            await self._database.write(books.succeeded, source, reading, began, self._now())
        self._wakeups.notify(Topic.PLANNING, Topic.EVENTS)

    async def _read(self, source: Source) -> Reading:
        self._check(source)
        mirror = self.mirror(source.name)
        await mirror.git.prepare()
        fetched = await self._kinds[source.kind].fetch(source, mirror)
        revision = fetched.revision
        undecided = await self._gate.busy(source, fetched)
        passing = await self._database.read(recipes.passing, source.name)
        if revision == source.revision and not (undecided or passing):
            return Reading(fetched, Verdict((), ()))
        before = await self._database.read(recipes.of_source, source.name)
        repository = await self._database.read(repositories.get, source.repository)
        said_of_all = await mirror.file(revision, ci_defaults.PATH)
        defaults = ci_defaults.defaults(said_of_all)
        intake = Intake(mirror, self._formats[repository.format], self.evaluator, defaults)
        admitted = await self._gate.admit(source, mirror, fetched, before)
        still = before if said_of_all == await mirror.file(source.revision, ci_defaults.PATH) else ()
        found = await intake.everything(source, admitted.listing, still)
        verdict = settle({each.pkgbase: each for each in before}, found)
        said = await new_commits(mirror, source.name, source.revision, revision) if fetched.history else ()
        return Reading(fetched, verdict, said, admitted.taken)

    def _check(self, source: Source) -> None:
        if source.kind not in self._kinds:
            known = ", ".join(sorted(self._kinds))
            raise Invalid(f"There is no kind of source {source.kind!r}; there is {known}.")
        self._kinds[source.kind].check(source)
        check_updates(source)

    def mirror(self, name: str) -> Mirror:
        """What the source is read into."""
        return Mirror(Git(self._cache(name), self._settings.fetch_timeout), pacman_recipe.WANTED)

    def _cache(self, name: str) -> Path:
        return self._folder / f"{name}.git"

    async def _told(self, source: Source) -> Source:
        self._wakeups.notify(Topic.SOURCES, Topic.PLANNING, Topic.EVENTS)
        return source


def _view(known: Known) -> RecipeView:
    sourced = known.sourced
    return RecipeView(
        pkgbase=sourced.pkgbase,
        origin=sourced.origin,
        recipe=sourced.recipe,
        problem=sourced.problem,
        repository=known.repository,
        published_version=known.published_version,
    )


def _shown(connection: Connection, name: str) -> Source:
    source = sources.get(connection, name)
    latest = requests.latest(connection, source.repository, requests.by_source(name))
    return source if latest is None else msgspec.structs.replace(source, unplanned=latest.problems)
