"""A tree that people push to and upstreams that move on, followed by real runs."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from quarters.formats.pacman import Pacman
from quarters.model.updates import Updates, UpdateState
from quarters.protocol.resources import SourceChange
from quarters.protocol.updates import UpdateReport
from quarters.sources.settings import SourcesSettings
from quarters.sources.updates.looking import Tools
from quarters.sources.updates.run import Run
from quarters.sources.updates.workbench import Workbench
from quarters.storage import updates
from tests.following import Followed, Git, following


class Tree:
    """A bare repository, somebody's clone of it, and a source that follows both it and its upstreams."""

    def __init__(self, folder: Path, followed: Followed, settings: SourcesSettings) -> None:
        self.bare = folder / "tree.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.bare)], check=True)
        self.git = Git(folder / "clone")
        self.git("remote", "add", "origin", str(self.bare))
        self.followed = followed
        self.settings = settings
        self.clock = datetime.now(UTC)

    def recipe(self, name: str, version: str = "1.0-1", **settings: str) -> None:
        """A folder with a recipe and its `.CI/config`."""
        self.git.write(name, version)
        (self.git.folder / name / ".CI").mkdir(exist_ok=True)
        lines = [f"{key}={value}\n" for key, value in settings.items()]
        (self.git.folder / name / ".CI" / "config").write_text("".join(lines))

    def push(self) -> str:
        """Commit everything and push it."""
        commit = self.git.commit()
        self.git("push", "--quiet", "origin", "HEAD:main")
        return commit

    async def follow(self, **how: Any) -> None:
        """Add the source, or sync what is new."""
        names = [it.name for it in (await self.followed.service.list(10, None)).items]
        if "tree" not in names:
            await self.followed.add(self.bare, "main")
            how = {"push": str(self.bare), "delay": 0.0} | how
        if how:
            await self.followed.service.change("tree", SourceChange(updates=Updates(**how)))
        await self.followed.sync()

    async def run(self, *names: str, dry_run: bool = False) -> UpdateReport:
        """One run, and the sync that it asks for."""
        source = await self.followed.service.show("tree")
        service = self.followed.service
        tools = Tools(self.settings, Pacman(), service.evaluator, Workbench(60, 2))
        run = Run(self.followed.database, source, service.mirror("tree"), tools, lambda: self.clock)
        report = await run.perform(names, dry_run=dry_run)
        await self.followed.sync()
        return report

    async def states(self) -> dict[str, UpdateState]:
        """What is known about its recipes' upstreams."""
        return await self.followed.database.read(updates.states, "tree")

    def later(self, **how: float) -> None:
        """Let time go by."""
        self.clock += timedelta(**how)

    def file(self, path: str) -> str:
        """A file as it was pushed."""
        return self.there("show", f"main:{path}")

    def there(self, *arguments: str) -> str:
        """What git says about what was pushed."""
        done = subprocess.run(
            ["git", "-C", str(self.bare), *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout


@asynccontextmanager
async def updating(folder: Path, **settings: Any) -> AsyncIterator[Tree]:
    """A database, a sync loop and a tree that keep their things in `folder`."""
    async with following(folder) as followed:
        yield Tree(folder, followed, SourcesSettings(evaluation_timeout=60, fetch_timeout=60, **settings))
