"""What a repository can already satisfy, for those who look for the rest elsewhere."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from quarters.formats.format import Format, Formats
from quarters.model.recipe import Dependency
from quarters.planning.matching import Matcher
from quarters.scheduler import catalogs
from quarters.scheduler.upstreams import Upstreams
from quarters.storage import repositories
from quarters.storage.database import Database


class Knowledge:
    """Answers from the recipes of all sources, the published packages and the upstreams'."""

    def __init__(self, database: Database, upstreams: Upstreams, formats: Formats) -> None:
        self._database = database
        self._upstreams = upstreams
        self._formats = formats

    async def unmet(self, repository: str, needs: Sequence[str]) -> list[Dependency]:
        """Those of `needs`, in their order, that nothing known satisfies on the repository's first architecture."""
        settings = await self._database.read(repositories.get, repository)
        await self._upstreams.ensure(settings)
        format_ = self._formats[settings.format]
        asked = [format_.parse_dependency(need) for need in needs]
        return await self._database.read(self._look, repository, lambda matcher: _missing(matcher, asked))

    async def lacking(self, repository: str) -> list[Dependency]:
        """What recipes of the repository need and nothing known satisfies, once each, by name."""
        return await self._database.read(self._look, repository, None)

    def _look(
        self, connection: Connection, repository: str, ask: Callable[[Matcher], list[Dependency]] | None
    ) -> list[Dependency]:
        settings = repositories.get(connection, repository)
        format_: Format = self._formats[settings.format]
        catalog, _ = catalogs.read(connection, settings, settings.arches[0], format_)
        matcher = Matcher(catalog, format_)
        if ask is not None:
            return ask(matcher)
        needs = {
            need.dependency
            for candidate in catalog.recipes.values()
            for need in candidate.recipe.needs_for(catalog.arch, checks=catalog.checks)
        }
        return _missing(matcher, sorted(needs, key=str))


def _missing(matcher: Matcher, needs: Sequence[Dependency]) -> list[Dependency]:
    return [need for need in needs if matcher.available(need) is None and not matcher.recipes(need)]
