"""Reading the folders of a source that changed."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec

from quarters.formats.format import Format
from quarters.model.errors import RecipeInvalid
from quarters.model.recipe import Origin, Recipe, SourcedRecipe
from quarters.model.source import Source
from quarters.sources import pacman_recipe
from quarters.sources.arbitration import LOOK_AGAIN, problem
from quarters.sources.ci_defaults import Defaults
from quarters.sources.evaluate import Evaluator, SandboxUnusable
from quarters.sources.folder import Folder
from quarters.sources.mirror import Mirror
from quarters.sources.processes import together

_NONE = Defaults()
_BATCH = 200
"""Folders whose files are held in memory at once."""


class Standing(msgspec.Struct, frozen=True):
    """A recipe's folder as it is to be read: its tree, and a revision that has it."""

    fingerprint: str
    revision: str


class Intake:
    """Reads one source's folders at one revision into recipes; the same for every kind of source."""

    def __init__(
        self, mirror: Mirror, format_: Format, evaluator: Evaluator, defaults: Defaults = _NONE
    ) -> None:
        """`defaults` are those of the tree."""
        self._mirror = mirror
        self._defaults = defaults
        self._format = format_
        self._evaluator = evaluator

    async def everything(
        self, source: Source, listing: Mapping[str, Standing], before: Sequence[SourcedRecipe]
    ) -> list[SourcedRecipe]:
        """What `source` has in the folders of `listing`; those that did not change are taken from `before`.

        `source.revision` is the one that `before` was read at.
        """
        known = {
            each.origin.path: each
            for each in before
            if each.origin.path in listing
            and each.origin.fingerprint == listing[each.origin.path].fingerprint != LOOK_AGAIN
        }
        changed: defaultdict[str, list[str]] = defaultdict(list)
        for path in sorted(listing):
            if path not in known:
                changed[listing[path].revision].append(path)
        found = list(known.values())
        for revision, paths in changed.items():
            authors = await self._mirror.authors(revision, paths, source.revision)
            origins = {
                path: Origin(
                    source=source.name,
                    path=path,
                    revision=revision,
                    fingerprint=listing[path].fingerprint,
                    author=authors.get(path, ""),
                )
                for path in paths
            }
            found += [each async for each in self._read(revision, origins)]
        return found

    async def _read(self, revision: str, origins: Mapping[str, Origin]) -> AsyncIterator[SourcedRecipe]:
        paths = list(origins)
        for start in range(0, len(paths), _BATCH):
            folders = await self._mirror.read(revision, paths[start : start + _BATCH])
            # Thousands of parses would keep the event loop from everything else.
            read = await asyncio.to_thread(self._committed, folders, origins)
            for each in await together(
                *(self._evaluated(origins[path], folders[path]) for path in folders if path not in read)
            ):
                yield each
            for each in read.values():
                yield each

    def _committed(
        self, folders: Mapping[str, Folder], origins: Mapping[str, Origin]
    ) -> dict[str, SourcedRecipe]:
        """Those that need no evaluation."""
        read = {}
        for path, folder in folders.items():
            try:
                recipe = pacman_recipe.committed(folder, self._format)
            except RecipeInvalid as error:
                read[path] = problem(origins[path], str(error))
            else:
                if recipe is not None:
                    read[path] = self._sourced(origins[path], recipe)
        return read

    async def _evaluated(self, origin: Origin, folder: Folder) -> SourcedRecipe:
        async def archive() -> bytes:
            return await self._mirror.archive(origin.revision, origin.path)

        try:
            printed = await self._evaluator.srcinfo(archive)
            return self._sourced(origin, pacman_recipe.evaluated(folder, printed, self._format))
        except RecipeInvalid as error:
            return problem(origin, str(error))
        except SandboxUnusable as error:
            return problem(origin, str(error), passing=True)

    def _sourced(self, origin: Origin, recipe: Recipe) -> SourcedRecipe:
        return SourcedRecipe(pkgbase=recipe.pkgbase, origin=origin, recipe=self._defaults.applied(recipe))
