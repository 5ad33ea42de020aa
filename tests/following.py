"""Sources followed with the real git and the real database, step by step."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quarters.formats.pacman import Pacman
from quarters.model.repository import Repository
from quarters.model.source import Source
from quarters.protocol.resources import NewSource, RecipeView
from quarters.sources.settings import SourcesSettings
from quarters.sources.sync import SourceSync
from quarters.storage import events, repositories, sources
from quarters.storage.database import Database
from quarters.storage.wakeups import Topic, Wakeups

ADA = "Ada <ada@example.org>"
BOB = "Bob Öl <bob@example.org>"


class Git:
    """A working copy that people commit to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self("init", "--quiet", "--initial-branch=main")

    @classmethod
    def of(cls, folder: Path) -> "Git":
        """One that is there already."""
        git = cls.__new__(cls)
        git.folder = folder
        return git

    def __call__(self, *arguments: str, author: str = ADA) -> str:
        name, _, mail = author.rstrip(">").partition(" <")
        identity = ["-c", f"user.name={name}", "-c", f"user.email={mail}"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, author: str = ADA) -> str:
        """Commit everything."""
        self("add", "--all")
        self("commit", "--quiet", "--message=Change", author=author)
        return self("rev-parse", "HEAD")

    def belongs_to(self, user: int) -> None:
        """Give everything away, which only root can."""
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, user, user, follow_symlinks=False)

    def write(self, folder: str, version: str = "1.0-1", pkgbase: str = "") -> None:
        """A recipe with a current .SRCINFO."""
        (self.folder / folder).mkdir(exist_ok=True)
        pkgver, _, pkgrel = version.partition("-")
        pkgname = pkgbase or folder
        (self.folder / folder / "PKGBUILD").write_text(
            f"pkgname={pkgname}\npkgver={pkgver}\npkgrel={pkgrel}\narch=('any')\npackage() {{\n  :\n}}\n"
        )
        (self.folder / folder / ".SRCINFO").write_text(
            f"pkgbase = {pkgname}\n\tpkgver = {pkgver}\n\tpkgrel = {pkgrel}\n\tarch = any\n\npkgname = {pkgname}\n"
        )


class Followed:
    """A source that is synced by the real loop, step by step."""

    def __init__(self, sync: SourceSync, database: Database, wakeups: Wakeups) -> None:
        self.service = sync
        self.database = database
        self.wakeups = wakeups

    async def until(self, condition: Callable[[Source], bool], name: str = "tree") -> Source:
        """Wait for the loop."""
        async with asyncio.timeout(60):
            while True:
                mark = self.wakeups.mark(Topic.EVENTS)
                if condition(source := await self.service.show(name)):
                    return source
                await self.wakeups.wait(Topic.EVENTS, mark, 5)

    async def add(self, location: Path | str, branch: str = "", name: str = "tree", **how: Any) -> Source:
        """Add it, and wait for its first sync."""
        await self.service.add(
            NewSource(
                name=name, location=str(location), repository="main", branch=branch, automatic=False, **how
            )
        )
        return await self.until(lambda source: source.synced_at is not None, name)

    async def sync(self, name: str = "tree") -> Source:
        """Ask for a sync, and wait for it."""
        await self.service.sync(name)
        return await self.until(lambda source: not source.pending, name)

    async def recipes(self) -> dict[str, RecipeView]:
        """Everything, by pkgbase."""
        return {view.pkgbase: view for view in (await self.service.recipes("", None, 1000, None)).items}

    async def generation(self) -> int:
        """How often its recipes changed."""
        return await self.database.read(sources.generation, "tree")

    async def kinds_of_events(self, after: int = 0) -> list[tuple[str, str]]:
        """What was told to followers."""
        return [(each.kind, each.subject) for each in await self.database.read(events.after, after)]


@asynccontextmanager
async def following(folder: Path) -> AsyncIterator[Followed]:
    """A database and a sync loop that keep their things in `folder`."""
    database, wakeups = Database(f"sqlite:///{folder / 'quarters.db'}"), Wakeups()
    await database.open()
    await database.write(repositories.add, Repository(name="main"), datetime.now(UTC))
    sync = SourceSync(
        database,
        wakeups,
        SourcesSettings(evaluation_timeout=60),
        folder / "sources",
        {"pacman": Pacman()},
        lambda: datetime.now(UTC),
    )
    task = asyncio.create_task(sync.run())
    try:
        yield Followed(sync, database, wakeups)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await database.close()
