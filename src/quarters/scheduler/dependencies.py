"""Lets builds go on when the packages around them change: what they lacked has come, or what they failed with is another."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from quarters.formats.format import Format, Formats
from quarters.model.build import State
from quarters.model.errors import Invalid
from quarters.model.recipe import Dependency, Recipe
from quarters.model.repository import Repository
from quarters.planning.catalog import Catalog
from quarters.planning.lacks import Lack, older
from quarters.planning.matching import Matcher
from quarters.scheduler import catalogs
from quarters.scheduler.settings import SchedulerSettings
from quarters.storage import builds, lacks, needs, repositories, requests, surroundings
from quarters.storage.database import Database
from quarters.storage.requests import Basis
from quarters.storage.surroundings import Watched
from quarters.storage.wakeups import Topic, Wakeups


class _Market(NamedTuple):
    """What there is for a repository and an architecture."""

    catalog: Catalog
    matcher: Matcher
    format: Format


class _Change(NamedTuple):
    """What is to be done: builds with what they lack now, attempts with what met their dependencies, failures to retry."""

    lacking: dict[int, tuple[Lack, ...]]
    noted: list[tuple[int, int, dict[str, str]]]
    retried: dict[int, str]


class Dependencies:
    """Looks at waiting and failed builds whenever something was published or came into an upstream."""

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
        self._pause = timedelta(seconds=settings.replan)
        self._now = now
        # Only spares reading thousands of rows that are as they were, or were a moment ago.
        self._known: dict[tuple[str, str], tuple[Basis, datetime, _Market]] = {}

    async def run(self) -> None:
        """Look now and then, and soon after a change; without end."""
        await self._wakeups.follow(Topic.PLANNING, self.round, self._settings.poll)

    async def round(self) -> None:
        """Look once at every repository."""
        for repository in await self._database.read(repositories.listed):
            for arch in repository.arches:
                change = await self._database.read(self._change, repository, arch)
                if any(change):
                    await self._database.write(_carry_out, change, self._now())
                if change.lacking or change.retried:
                    self._wakeups.notify(Topic.READY, Topic.BUILDS, Topic.EVENTS)

    def _change(self, connection: Connection, repository: Repository, arch: str) -> _Change:
        change = _Change({}, [], {})
        lacking = lacks.unfinished(connection, repository.name, arch)
        watched = surroundings.watched(connection, repository.name, arch)
        if not lacking and not watched:
            return change
        market = self._market(connection, repository, arch)
        for build, its in lacking.items():
            left = tuple(one for it in its if (one := _still(it, market)) is not None)
            if left != its:
                change.lacking[build] = left
        for past in watched:
            _compare(past, market, change)
        return change

    def _market(self, connection: Connection, repository: Repository, arch: str) -> _Market:
        basis, now = requests.basis(connection, repository.name), self._now()
        known = self._known.get((repository.name, arch))
        if known is not None and (known[0] == basis or now < known[1] + self._pause):
            return known[2]
        format = self._formats[repository.format]
        catalog = catalogs.read(connection, repository, arch, format).catalog
        market = _Market(catalog, Matcher(catalog, format), format)
        self._known[repository.name, arch] = basis, now, market
        return market


def _still(one: Lack, market: _Market) -> Lack | None:
    """What is lacking as things are now; None once it is there, or once no upstream can be expected to bring it."""
    try:
        dependency = market.format.parse_dependency(one.dependency)
    except Invalid:
        return None
    if market.matcher.available(dependency) is not None:
        return None
    there = older(dependency, market.catalog, market.format)
    return Lack(dependency=one.dependency, kind=one.kind, there=there) if there else None


def _compare(one: Watched, market: _Market, change: _Change) -> None:
    candidate = market.catalog.recipes.get(one.pkgbase)
    if candidate is None or candidate.fingerprint != one.fingerprint:
        return  # A newer recipe is planned as such.
    packages = _met(candidate.recipe, market)
    if one.packages is None:
        change.noted.append((one.id, one.attempt, packages))
    elif one.state is not State.RUNNING and (why := _difference(one.packages, packages)):
        change.retried[one.id] = why


def _met(recipe: Recipe, market: _Market) -> dict[str, str]:
    """By dependency, the package that meets it."""
    catalog, found = market.catalog, {}
    for need in recipe.needs_for(catalog.arch, checks=catalog.checks):
        found[str(need.dependency)] = _package(need.dependency, market)
    return found


def _package(dependency: Dependency, market: _Market) -> str:
    package = market.matcher.available(dependency)
    return f"{package.name} {package.version}" if package is not None else ""


def _difference(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """The first dependency that another package meets now, in words; one that nothing meets any more is no reason."""
    for dependency, package in sorted(after.items()):
        if package and package != before.get(dependency, package):
            was = before[dependency]
            return f"{package} took the place of {was}" if was else f"{package} is there"
    return ""


def _carry_out(connection: Connection, change: _Change, now: datetime) -> None:
    lacks.put(connection, change.lacking)
    needs.settle(connection, [build for build, left in change.lacking.items() if not left], now)
    for build, attempt, packages in change.noted:
        surroundings.note(connection, build, attempt, packages)
    for build, why in change.retried.items():
        if builds.get(connection, build).state in (State.FAILED, State.TIMED_OUT):
            builds.retry(connection, build, now, f"because {why}")
