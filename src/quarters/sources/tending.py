"""What people change in a tree through the server: packages put, dropped and bumped, a pushed commit for each."""

import tarfile
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from quarters.formats.format import Formats
from quarters.model.errors import Conflict, Invalid, NotFound
from quarters.model.names import package_name
from quarters.model.recipe import Recipe
from quarters.model.source import Source
from quarters.protocol.tending import Committed, Tending
from quarters.sources import pacman_recipe
from quarters.sources.bumping import bumped
from quarters.sources.comparing import tree_of
from quarters.sources.git import Git
from quarters.sources.sync import SourceSync
from quarters.sources.updates import trees
from quarters.sources.updates.pushing import Branch, Committer, Folder
from quarters.sources.updates.terms import PATH as TERMS
from quarters.sources.updates.terms import terms
from quarters.storage import events, sources
from quarters.storage.database import Database
from quarters.storage.wakeups import Topic, Wakeups

LARGEST = 32 << 20
"""Bytes that a folder may have that is put into a tree; sources belong elsewhere."""


class Tree:
    """A tree that can be committed to: the branch of its source, with the terms on which that is done."""

    def __init__(self, source: Source, git: Git, now: Callable[[], datetime]) -> None:
        if source.kind != "tree":
            raise Invalid(
                f"The source {source.name!r} is of kind {source.kind!r}; only a tree can be changed."
            )
        if not source.updates.push:
            mend = f"`quarters source upstreams {source.name} --push LOCATION` does"
            raise Conflict(f"Nothing says where commits to {source.name!r} are pushed; {mend}.")
        self._source = source
        self._git = git
        self._now = now
        self._branch = Branch(git, source.updates.push, source.branch)

    async def tip(self) -> str:
        """Where its branch stands now."""
        await self._git.prepare()
        return await self._branch.tip()

    async def set(self, tip: str, folder: str, before: str, after: str, message: str) -> str:
        """Have `folder` be the tree `after` ("": be gone), in a pushed commit; Conflict if somebody was faster."""
        if before == after:
            return ""
        written = await trees.text(self._git, tip, TERMS) or ""
        author = terms(self._source, written).committer.author
        change = {folder: Folder(before, after)}
        done = await self._branch.push(change, Committer(author, message), "", self._now())
        if done.left:
            raise Conflict(f"Somebody changed {folder} meanwhile; look at it again.")
        return done.commit


class Gardener:
    """Puts, drops and bumps packages of trees; each commit brings a sync, and what is outdated then is built."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        following: SourceSync,
        formats: Formats,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._following = following
        self._format = formats[pacman_recipe.FORMAT]
        self._now = now

    async def put(self, name: str, package: str, archive: bytes, message: str, who: str) -> Committed:
        """Have the folder `package` hold what a tar archive does; Invalid if that is no recipe, NotFound, Conflict."""
        tree, git = await self._open(name)
        package_name(package)
        tip = await tree.tip()
        try:
            after = await trees.from_archive(git, archive)
        except (tarfile.TarError, EOFError):
            raise Invalid("The body is no tar archive of a recipe's folder.") from None
        if await trees.text(git, after) is None:
            raise Invalid(f"The folder has no {pacman_recipe.WANTED.marker}.")
        before = await tree_of(self._following.mirror(name), tip, package)
        said = message or f"{'Change' if before else 'Add'} {package}"
        commit = await tree.set(tip, package, before, after, _signed(said, who))
        return await self._done(name, package, commit, who)

    async def drop(self, name: str, wish: Tending, who: str) -> list[Committed]:
        """Take folders out of the tree; NotFound, before anything is done, if it lacks one of them."""
        tree, _ = await self._open(name)
        tip = await tree.tip()
        there = {it: await self._folder(name, tip, it) for it in dict.fromkeys(wish.packages)}
        done = []
        for package, before in there.items():
            said = _signed(wish.message or f"Drop {package}", who)
            commit = await tree.set(tip, package, before, "", said)
            done.append(await self._done(name, package, commit, who))
        return done

    async def bump(self, name: str, wish: Tending, who: str) -> list[Committed]:
        """Have packages be built once more, as a higher release of the version that they have; NotFound, Invalid."""
        tree, git = await self._open(name)
        tip = await tree.tip()
        recipes = {it: await self._recipe(name, it) for it in dict.fromkeys(wish.packages)}
        there = {it: await self._folder(name, tip, it) for it in recipes}
        done = []
        for package, recipe in recipes.items():
            after, to = await bumped(git, there[package], recipe, self._format)
            said = _signed(wish.message or f"Bump {package} to {to}", who)
            commit = await tree.set(tip, package, there[package], after, said)
            done.append(await self._done(name, package, commit, who))
        return done

    async def _open(self, name: str) -> tuple[Tree, Git]:
        source = await self._following.show(name)
        git = self._following.mirror(name).git
        return Tree(source, git, self._now), git

    async def _folder(self, name: str, tip: str, package: str) -> str:
        found = await tree_of(self._following.mirror(name), tip, package_name(package))
        if not found:
            raise NotFound(f"The tree {name!r} has no folder {package!r}.")
        return found

    async def _recipe(self, name: str, package: str) -> Recipe:
        found = await self._following.recipe(package, name)
        if found.recipe is None:
            raise Invalid(f"The recipe of {package} cannot be read: {found.problem}")
        return found.recipe

    async def _done(self, name: str, package: str, commit: str, who: str) -> Committed:
        now = self._now()

        def note(connection: Connection) -> None:
            data: events.Data = {"package": package, "commit": commit, "by": who}
            events.record(connection, now, "source.committed", name, data)
            sources.change(connection, name, sync_wanted_at=now)

        if commit:
            await self._database.write(note)
            self._wakeups.notify(Topic.SOURCES, Topic.EVENTS)
        return Committed(package=package, commit=commit)


def _signed(message: str, who: str) -> str:
    """The message with who asked for it; braces that stand for something in messages of updates mean nothing here."""
    clean = "".join(it for it in message if it.isprintable() or it == "\n").replace("{packages}", "")
    return f"{clean}\n\nRequested-by: {who}"
