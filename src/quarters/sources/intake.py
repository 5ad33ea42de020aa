"""Reading the folders of a source that changed."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from quarters.formats.format import Format
from quarters.model.errors import RecipeInvalid
from quarters.model.recipe import Origin, Recipe, SourcedRecipe
from quarters.model.review import Level
from quarters.model.source import Source
from quarters.sources import pacman_recipe
from quarters.sources.arbitration import LOOK_AGAIN, problem
from quarters.sources.ci_defaults import Defaults
from quarters.sources.evaluate import Evaluator, SandboxUnusable
from quarters.sources.folder import Folder
from quarters.sources.mirror import Mirror
from quarters.sources.processes import together
from quarters.sources.renaming import renamed

_NONE = Defaults()
_BATCH = 200
"""Folders whose files are held in memory at once."""
Outcome = Recipe | RecipeInvalid | SandboxUnusable


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
            # Walking the history takes long, as does running makepkg, and neither needs the other.
            authors, read = await together(
                self._mirror.authors(revision, paths, source.revision),
                self._read(revision, paths, believing=source.review is Level.OFF),
            )
            for path in paths:
                origin = Origin(
                    source=source.name,
                    path=path,
                    revision=revision,
                    fingerprint=listing[path].fingerprint,
                    author=authors.get(path, ""),
                )
                found.append(self._sourced(origin, read[path]))
        return found

    async def _read(self, revision: str, paths: Sequence[str], *, believing: bool) -> dict[str, Outcome]:
        """What the folders hold; a .SRCINFO, which nobody looks at in a review, is `believing`ly read or not at all."""
        found: dict[str, Outcome] = {}
        for start in range(0, len(paths), _BATCH):
            folders = await self._mirror.read(revision, paths[start : start + _BATCH])
            # Thousands of parses would keep the event loop from everything else.
            found |= await asyncio.to_thread(self._committed, folders, believing=believing)
        # These folders are read once more, since each may hold mebibytes.
        rest = [path for path in paths if path not in found]
        found |= await self._evaluated(revision, rest)
        recipes = {path: it for path, it in found.items() if isinstance(it, Recipe)}
        return found | await self._evaluated(
            revision, await renamed(self._mirror, revision, recipes), hooks=True
        )

    def _committed(self, folders: Mapping[str, Folder], *, believing: bool) -> dict[str, Outcome]:
        """Those that need no evaluation."""
        found: dict[str, Outcome] = {}
        for path, folder in folders.items():
            try:
                recipe = pacman_recipe.committed(folder, self._format)
            except RecipeInvalid as error:
                found[path] = error
            else:
                if recipe is not None and believing:
                    found[path] = recipe
        return found

    async def _evaluated(
        self, revision: str, paths: Sequence[str], *, hooks: bool = False
    ) -> dict[str, Outcome]:
        """What makepkg says about the folders, or about what their `hooks` make of them."""
        outcomes = await together(*(self._evaluation(revision, path, hooks=hooks) for path in paths))
        return dict(zip(paths, outcomes, strict=True))

    async def _evaluation(self, revision: str, path: str, *, hooks: bool) -> Outcome:
        async def archive() -> bytes:
            return await self._mirror.archive(revision, path)

        try:
            printed = await self._evaluator.srcinfo(archive, hooks=hooks)
            folders = await self._mirror.read(revision, [path])
            return pacman_recipe.evaluated(folders[path], printed, self._format)
        except RecipeInvalid as error:
            return RecipeInvalid(f"With its hooks: {error}") if hooks else error
        except SandboxUnusable as error:
            return error

    def _sourced(self, origin: Origin, outcome: Outcome) -> SourcedRecipe:
        if isinstance(outcome, Recipe):
            recipe = self._defaults.applied(outcome)
            return SourcedRecipe(pkgbase=recipe.pkgbase, origin=origin, recipe=recipe)
        return problem(origin, str(outcome), passing=isinstance(outcome, SandboxUnusable))
