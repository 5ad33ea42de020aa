"""The kind `nvchecker`: one recipe in a git repository, whose versions nvchecker finds wherever they are released."""

import msgspec

from quarters.formats.pacman import Pacman
from quarters.formats.pacman.version import compare
from quarters.model.errors import QuartersError, RecipeInvalid
from quarters.model.recipe import Configuration
from quarters.model.source import Source
from quarters.sources.kinds.recipe import REMOTE, recipe_at, stand_at
from quarters.sources.locations import check_git, check_path, refuse
from quarters.sources.mirror import Mirror
from quarters.sources.notes import Notes
from quarters.sources.pkgbuild import literals
from quarters.sources.remotes import fetch_branch
from quarters.sources.settings import SourcesSettings
from quarters.sources.source import Fetched
from quarters.sources.updates.releases import Nvchecker, Release
from quarters.sources.updates.trees import SRCINFO, entries, made, text
from quarters.sources.updates.upstream import Subject
from quarters.sources.updates.workbench import Workbench


class NvcheckerKind:
    """The recipe of the repository with the highest version that was ever found written into it."""

    def __init__(self, settings: SourcesSettings) -> None:
        self._workbench = Workbench(settings.update_timeout, 1)

    def check(self, source: Source) -> None:
        """Raise Invalid where git could take the location, branch or folder for something else."""
        check_git(source)
        check_path(source.path)
        refuse(source, "packages", "dependencies", "prereleases")

    async def fetch(self, source: Source, mirror: Mirror) -> Fetched:
        """Fetch the branch and ask nvchecker; while that fails the version stays, and `problem` tells."""
        commit = await fetch_branch(mirror.git, source.location, source.branch, REMOTE)
        now = await recipe_at(mirror.git, commit, source)
        held = (await mirror.folders()).get(source.name, "")
        notes = Notes(mirror.git.folder, source)
        known = notes.read() if held else {}
        problem = ""
        try:
            subject = await _subject(mirror, source, str(now.content))
            found, problem = await self._newest(mirror, subject, known)
            what = {"own": subject.tree} | found
            if what != known:
                held = await self._written(mirror, subject, found)
                notes.keep(what)
        except QuartersError as error:
            problem = str(error)
        return Fetched(
            await stand_at(mirror, msgspec.structs.replace(now, content=held or now.content)), problem
        )

    async def _newest(
        self, mirror: Mirror, subject: Subject, known: dict[str, str]
    ) -> tuple[dict[str, str], str]:
        """The highest version of all that were found, and why there may be a higher one."""
        before = {key: it for key, it in known.items() if key != "own"}
        try:
            found = await Nvchecker(mirror, self._workbench).newest(subject)
        except QuartersError as error:
            return before, str(error)
        if before and compare(found["version"], before["version"]) <= 0:
            return before, ""
        return found, ""

    async def _written(self, mirror: Mirror, subject: Subject, found: dict[str, str]) -> str:
        """The folder with that version; its .SRCINFO, which says another, is left out."""
        if not found:
            return subject.tree
        release = Release(mirror, self._workbench, Pacman())
        tree = await release.written(subject, found["version"], found.get("revision", ""))
        if not tree:
            return subject.tree
        told = await entries(mirror.git, tree)
        return await made(mirror.git, {name: it for name, it in told.items() if name != SRCINFO})


async def _subject(mirror: Mirror, source: Source, tree: str) -> Subject:
    said = literals(await text(mirror.git, tree) or "")
    if not said.get("pkgver"):
        raise RecipeInvalid(
            "The PKGBUILD does not set pkgver to a plain word, so no version can be held against it."
        )
    names = said.get("pkgbase") or said.get("pkgname") or (source.name,)
    return Subject(
        path=source.name,
        pkgbase=names[0],
        tree=tree,
        configuration=Configuration(nvchecker=True),
        version=f"{said['pkgver'][0]}-1",
    )
