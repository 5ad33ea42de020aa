"""Managed AUR packages: recipes of the tree whose own files are pushed to their repositories at the AUR."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote, urlsplit, urlunsplit

from quarters.model.errors import QuartersError, RecipeInvalid
from quarters.sources.errors import SourceUnreachable
from quarters.sources.mirror import Mirror
from quarters.sources.remotes import fetch_branch
from quarters.sources.updates.looking import Tools
from quarters.sources.updates.releases import FILES
from quarters.sources.updates.terms import Terms
from quarters.sources.updates.trees import SRCINFO, Entries, encoded, entries, made, text, with_file
from quarters.sources.updates.upstream import Subject

_BRANCH = "master"
"""The only one that the AUR takes."""
_NAMED = re.compile(r"^\s*(?:source(?:_\w+)?|install|changelog) = (.+)$", re.MULTILINE)
_RENAMED = "::"


class ManagedPackages:
    """Pushes to `terms.publish`/NAME.git; `origin` is the tree that commit messages name."""

    def __init__(self, mirror: Mirror, tools: Tools, terms: Terms, origin: str) -> None:
        self._mirror = mirror
        self._git = mirror.git
        self._tools = tools
        self._terms = terms
        self._origin = origin

    async def push(
        self, subjects: Sequence[Subject], now: datetime
    ) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The folders' trees of those that the AUR now has, and why it has not the others."""
        done, failed = {}, {}
        for subject in subjects:
            try:
                await self._push(subject, now)
            except QuartersError as error:
                failed[subject.path] = f"It cannot be pushed to the AUR: {error}"
            else:
                done[subject.path] = subject.tree
        return done, failed

    async def _push(self, subject: Subject, now: datetime) -> None:
        location = f"{self._terms.publish.rstrip('/')}/{quote(subject.path)}.git"
        ref = f"refs/quarters/aur-pushes/{subject.path.encode().hex()}"
        parent = await self._standing(location, ref)
        held = await entries(self._git, parent)
        kept = {name: told for name, told in held.items() if name.startswith(".git")}
        own, version = await self._own(subject)
        tree = await made(self._git, kept | own)
        if parent and tree == (await self._git.run("rev-parse", f"{parent}^{{tree}}")).decode().strip():
            return
        commit = await self._commit(tree, parent, _message(subject.path, version, self._origin), now)
        await self._git.run("push", "--quiet", "--", location, f"{commit}:refs/heads/{_BRANCH}")

    async def _standing(self, location: str, ref: str) -> str:
        """The AUR's commit, "" where it has none yet: it makes a repository with the first push."""
        try:
            return await fetch_branch(self._git, location, _BRANCH, ref)
        except SourceUnreachable as error:
            if "no branch" in str(error):
                return ""
            raise

    async def _own(self, subject: Subject) -> tuple[Entries, str]:
        """PKGBUILD, .SRCINFO, what nvchecker reads, and the files that the .SRCINFO names; and the recipe's version."""
        printed = await self._tools.evaluator.srcinfo(lambda: self._mirror.archive(subject.tree, ""))
        said = await text(self._git, subject.tree, SRCINFO)
        parse = self._tools.format.parse_recipe
        tree = subject.tree
        if said is None or parse(said) != parse(printed):
            tree = await with_file(self._git, tree, SRCINFO, encoded(printed))
        wanted = {"PKGBUILD", SRCINFO, *FILES, *_local(printed)}
        found = await entries(self._git, tree)
        folders = sorted(name for name in wanted if "/" in name)
        if folders:
            raise RecipeInvalid(f"{folders[0]} is in a folder, and the AUR takes none.")
        own = {name: told for name, told in found.items() if name in wanted and " blob " in told}
        return own, parse(printed).version

    async def _commit(self, tree: str, parent: str, message: str, now: datetime) -> str:
        who, at = self._terms.committer.author, f"{int(now.timestamp())} +0000"
        head = [f"tree {tree}", *([f"parent {parent}"] if parent else [])]
        head += [f"author {who} {at}", f"committer {who} {at}"]
        content = "\n".join([*head, "", message]).encode()
        made_ = await self._git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=content)
        return made_.decode().strip()


def _message(path: str, version: str, origin: str) -> str:
    parts = urlsplit(origin)
    # An address may hold a password.
    told = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else origin
    return (
        f"Update to {version}\n\n"
        "This commit was made by a program, after the recipe changed in the tree that it is kept in:\n"
        f"{told} (folder {path})\n"
    )


def _local(srcinfo: str) -> set[str]:
    """The files beside the PKGBUILD that it names: install scriptlets, changelogs, and sources without a protocol."""
    named = {found[1].strip() for found in _NAMED.finditer(srcinfo)}
    return {it for it in named if "://" not in it and _RENAMED not in it and not it.startswith("git+")}
