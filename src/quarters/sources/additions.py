"""Packages of the AUR, added by name together with what they need and nothing else has."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from quarters.formats.format import Formats
from quarters.model.errors import Conflict, Invalid, NotFound, QuartersError
from quarters.model.names import plain_name
from quarters.model.recipe import Dependency
from quarters.model.source import Source
from quarters.protocol.aur import AurAdded, AurAddition, AurFound, AurWish
from quarters.protocol.resources import NewSource, SourceChange
from quarters.sources import pacman_recipe
from quarters.sources.aur import Aur, AurPackage
from quarters.sources.bearers import Bearers
from quarters.sources.settings import SourcesSettings
from quarters.sources.sync import SourceSync
from quarters.sources.web import Web
from quarters.storage.wakeups import Topic, Wakeups


class Knowledge(Protocol):
    """What a repository can satisfy already; the scheduler's side of the rows knows."""

    async def unmet(self, repository: str, needs: Sequence[str]) -> list[Dependency]:
        """Those of `needs`, in their order, that nothing known satisfies."""
        ...

    async def lacking(self, repository: str) -> list[Dependency]:
        """What recipes of the repository need and nothing known satisfies."""
        ...


_FOUND = 100
"""Packages that a search shows, the most voted for first."""
_DEEPEST = 30
"""Packages that need packages that need packages …: nothing real goes further."""


class AurAdditions:
    """Searches the AUR of the settings, and adds packages of it to sources of kind `aur`."""

    def __init__(
        self,
        settings: SourcesSettings,
        sources: SourceSync,
        wakeups: Wakeups,
        formats: Formats,
        knowledge: Knowledge,
    ) -> None:
        self._settings = settings
        self._aur = Aur(Web(settings.fetch_timeout), settings.aur)
        self._sources = sources
        self._wakeups = wakeups
        self._bearers = Bearers(self._aur, formats[pacman_recipe.FORMAT])
        self._knowledge = knowledge
        self._asked: set[tuple[str, str]] = set()

    async def search(self, words: str) -> list[AurFound]:
        """Packages whose name or description matches, the most voted for first."""
        found = await self._aur.search(words)
        ranked = sorted(found, key=lambda it: (-it.num_votes, it.name))[:_FOUND]
        return [AurFound(**_told(each)) for each in ranked]

    async def add(self, wish: AurWish) -> AurAdded:
        """Follow what `wish` names; NotFound if the AUR lacks one, Conflict if the source is of another kind."""
        if not wish.packages:
            raise Invalid("Name at least one package of the AUR.")
        for name in wish.packages:
            plain_name(name, "package")
        source = await self._source(wish)
        followed = set(source.packages) if source else set()
        chosen, unresolved = await self._resolve(wish)
        already = tuple(name for name in chosen if name in followed)
        additions = tuple(each for name, each in chosen.items() if name not in followed)
        if not wish.dry_run and additions:
            source = await self._follow(wish, source, [each.name for each in additions])
        return AurAdded(
            additions=additions,
            already=already,
            unresolved=tuple(unresolved.items()),
            source=None if wish.dry_run else source,
        )

    async def run(self) -> None:
        """Add what recipes turn out to need to the sources that are to bring it; without end."""
        while True:
            mark = self._wakeups.mark(Topic.PLANNING)
            try:
                for source in await self._sources.followed("aur"):
                    if source.dependencies:
                        await self._complete(source)
            except QuartersError as error:
                structlog.get_logger().warning(
                    "the AUR could not be asked for dependencies", error=str(error)
                )
            await self._wakeups.wait(Topic.PLANNING, mark, self._settings.poll_interval)

    async def _complete(self, source: Source) -> None:
        """Follow what the repository's recipes need, and only the AUR has."""
        needs = await self._knowledge.lacking(source.repository)
        asked = [need for need in needs if (source.name, str(need)) not in self._asked]
        found = await self._bearers.find(asked) if asked else {}
        # What nobody has is asked for once by each process, not every few minutes for ever.
        self._asked |= {(source.name, str(need)) for need in asked}
        names = dict.fromkeys(each.name for each in found.values() if each.name not in source.packages)
        if names:
            await self._sources.change(source.name, SourceChange(packages=(*source.packages, *names)))

    async def _source(self, wish: AurWish) -> Source | None:
        try:
            source = await self._sources.show(wish.source)
        except NotFound:
            return None
        if (source.kind, source.repository) != ("aur", wish.repository):
            raise Conflict(
                f"The source {source.name!r} is of kind {source.kind!r} for {source.repository}; name another with --source."
            )
        return source

    async def _follow(self, wish: AurWish, source: Source | None, names: Sequence[str]) -> Source:
        if source is not None:
            packages = (*source.packages, *names)
            return await self._sources.change(source.name, SourceChange(packages=packages))
        new = NewSource(
            name=wish.source,
            location=self._settings.aur,
            repository=wish.repository,
            kind="aur",
            packages=tuple(names),
            dependencies=wish.dependencies,
        )
        return await self._sources.add(new)

    async def _resolve(self, wish: AurWish) -> tuple[dict[str, AurAddition], dict[str, str]]:
        """The packages to follow by name, those first that others need; and needs that are met by nothing."""
        info = await self._aur.info(wish.packages)
        missing = [name for name in wish.packages if name not in info]
        if missing:
            raise NotFound(f"The AUR has no package {' and no '.join(map(repr, missing))}.")
        chosen = {name: AurAddition(**_told(info[name])) for name in dict.fromkeys(wish.packages)}
        unresolved: dict[str, str] = {}
        known = fresh = [info[name] for name in chosen]
        for _ in range(_DEEPEST if wish.dependencies else 0):
            asked = {need: each.name for each in fresh for need in _needs(each)}
            unmet = await self._knowledge.unmet(wish.repository, list(asked))
            lacking = [need for need in unmet if not self._bearers.meet(need, known)]
            found = await self._bearers.find(lacking)
            unresolved |= {str(need): asked[str(need)] for need in lacking if need not in found}
            fresh = list({each.name: each for each in found.values()}.values())
            needed_by = {each.name: asked[str(need)] for need, each in found.items()}
            chosen |= {
                each.name: AurAddition(**_told(each), needed_by=needed_by[each.name]) for each in fresh
            }
            known = [*known, *fresh]
        return dict(reversed(chosen.items())), unresolved


def _needs(package: AurPackage) -> list[str]:
    return [*package.depends, *package.make_depends, *package.check_depends]


def _told(package: AurPackage) -> dict[str, Any]:
    return {
        "name": package.name,
        "pkgbase": package.package_base,
        "version": package.version,
        "description": package.description or "",
        "maintainer": package.maintainer or "",
        "votes": package.num_votes,
        "popularity": package.popularity,
        "modified_at": datetime.fromtimestamp(package.last_modified, UTC),
        "outdated_since": None
        if package.out_of_date is None
        else datetime.fromtimestamp(package.out_of_date, UTC),
    }
