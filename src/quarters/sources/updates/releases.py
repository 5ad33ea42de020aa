"""Recipes of one's own whose new versions nvchecker or a GitLab project's tags tell of."""

import re

from quarters.formats.format import Format
from quarters.model.errors import RecipeInvalid
from quarters.planning.review import RECIPE
from quarters.sources.gitlab import Gitlab
from quarters.sources.mirror import Mirror
from quarters.sources.tags import newest, version
from quarters.sources.updates.rewriting import has_checksums, released, with_checksums
from quarters.sources.updates.trees import encoded, text, with_file
from quarters.sources.updates.upstream import NOTHING, Finding, Subject
from quarters.sources.updates.workbench import Workbench

FILES = ("nvchecker.toml", ".nvchecker.toml")
_TABLE = re.compile(r"""^\[\s*(?:"([^"\n]+)"|'([^'\n]+)'|([\w.+-]+))\s*\]""", re.MULTILINE)
_CONFIGURATION = "__config__"
_GITLAB = "gitlab:"


class Release:
    """Writes new versions into recipes: upgrades only, by the format's own order."""

    def __init__(self, mirror: Mirror, workbench: Workbench, format: Format) -> None:
        self._mirror = mirror
        self._workbench = workbench
        self._format = format

    async def written(self, subject: Subject, version: str, commit: str) -> str:
        """The folder with the version, "" if it is not above the one that is there."""
        if not subject.version:
            raise RecipeInvalid("The recipe cannot be read, so a new version cannot be held against its own.")
        version = version.removeprefix("v")
        if self._format.compare(version, subject.pkgver) <= 0:
            return ""
        before = await text(self._mirror.git, subject.tree) or ""
        now = released(before, version, subject.pkgver, commit)
        tree = await with_file(self._mirror.git, subject.tree, RECIPE, encoded(now))
        if has_checksums(now):
            printed = await self._workbench.checksums(await self._mirror.archive(tree, ""))
            tree = await with_file(self._mirror.git, tree, RECIPE, encoded(with_checksums(now, printed)))
        return tree


class Nvchecker:
    """`nvchecker.toml` or `.nvchecker.toml` in the recipe's folder."""

    def __init__(self, mirror: Mirror, workbench: Workbench) -> None:
        self._mirror = mirror
        self._workbench = workbench

    async def newest(self, subject: Subject) -> dict[str, str]:
        """The newest `version` and, where it tells, the `revision`; RecipeInvalid where the table cannot be told."""
        for name in FILES:
            written = await text(self._mirror.git, subject.tree, name)
            if written is not None:
                break
        else:
            raise RecipeInvalid(f"It has neither {FILES[0]} nor {FILES[1]}.")
        entries = [next(filter(None, it.groups())) for it in _TABLE.finditer(written)]
        entries = [it for it in entries if it != _CONFIGURATION]
        entry = subject.pkgbase if subject.pkgbase in entries else entries[0] if len(entries) == 1 else ""
        if not entry:
            raise RecipeInvalid(f"{name} has no table {subject.pkgbase!r}.")
        return await self._workbench.newest(await self._mirror.archive(subject.tree, ""), name, entry)


class NvcheckerUpstream:
    """Recipes of a tree whose versions nvchecker finds."""

    def __init__(self, nvchecker: Nvchecker, release: Release, *, reviewed: bool) -> None:
        self._nvchecker = nvchecker
        self._release = release
        self._reviewed = reviewed

    def concerns(self, subject: Subject) -> bool:
        """Whether the configuration says so."""
        return subject.configuration.nvchecker

    async def look(self, subject: Subject) -> Finding:
        """The recipe with the newest version."""
        found = await self._nvchecker.newest(subject)
        tree = await self._release.written(subject, found["version"], found.get("revision", ""))
        return Finding(tree=tree, always_reviewed=self._reviewed)


class GitlabUpstream:
    """`gitlab:ID`: the tags of a project."""

    def __init__(self, gitlab: Gitlab, release: Release) -> None:
        self._gitlab = gitlab
        self._release = release

    def concerns(self, subject: Subject) -> bool:
        """Whether the configuration says so."""
        return subject.configuration.upstream.startswith(_GITLAB)

    async def look(self, subject: Subject) -> Finding:
        """The recipe with the version of the highest tag."""
        project = subject.configuration.upstream.removeprefix(_GITLAB)
        if not (project.isascii() and project.isdigit()):
            raise RecipeInvalid(
                f"{subject.configuration.upstream!r} names no project of GitLab by its number."
            )
        tags = await self._gitlab.tags(project)
        tag = newest(tags.commits, prereleases=False) if tags else ""
        if tags is None or not tag:
            return NOTHING
        return Finding(tree=await self._release.written(subject, version(tag), tags.commits[tag]))
