"""Reading the folders of a source that changed."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from quarters.formats.format import Format
from quarters.model.errors import RecipeInvalid
from quarters.model.recipe import Origin, Recipe, SourcedRecipe
from quarters.sources import pacman_recipe
from quarters.sources.arbitration import LOOK_AGAIN, problem
from quarters.sources.evaluate import Evaluator, SandboxUnusable
from quarters.sources.folder import Folder
from quarters.sources.mirror import Mirror
from quarters.sources.processes import together

_BATCH = 200
"""Folders whose files are held in memory at once."""


class Intake:
    """Reads one source's folders at one revision into recipes; the same for every kind of source."""

    def __init__(self, mirror: Mirror, format_: Format, evaluator: Evaluator) -> None:
        self._mirror = mirror
        self._format = format_
        self._evaluator = evaluator

    async def everything(
        self, name: str, revision: str, before: Sequence[SourcedRecipe], since: str
    ) -> list[SourcedRecipe]:
        """What the source `name` has at `revision`, a folder each; folders that did not change are taken from `before`.

        `since` is the revision that `before` was read at.
        """
        listing = await self._mirror.listing(revision)
        known = {
            each.origin.path: each
            for each in before
            if each.origin.fingerprint == listing.get(each.origin.path, LOOK_AGAIN) != LOOK_AGAIN
        }
        changed = [path for path in sorted(listing) if path not in known]
        if not changed:
            return list(known.values())
        authors = await self._mirror.authors(revision, changed, since)
        origins = {
            path: Origin(
                source=name,
                path=path,
                revision=revision,
                fingerprint=listing[path],
                author=authors.get(path, ""),
            )
            for path in changed
        }
        return [*known.values(), *[each async for each in self._read(revision, origins)]]

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
                    read[path] = _sourced(origins[path], recipe)
        return read

    async def _evaluated(self, origin: Origin, folder: Folder) -> SourcedRecipe:
        async def archive() -> bytes:
            return await self._mirror.archive(origin.revision, origin.path)

        try:
            printed = await self._evaluator.srcinfo(archive)
            return _sourced(origin, pacman_recipe.evaluated(folder, printed, self._format))
        except RecipeInvalid as error:
            return problem(origin, str(error))
        except SandboxUnusable as error:
            return problem(origin, str(error), passing=True)


def _sourced(origin: Origin, recipe: Recipe) -> SourcedRecipe:
    return SourcedRecipe(pkgbase=recipe.pkgbase, origin=origin, recipe=recipe)
