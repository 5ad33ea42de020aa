"""Fills a data folder with a repository of made-up packages: `python -m benchmarks.stock FOLDER PACKAGES SNAPSHOTS`.

Rows, and the signed index of the newest snapshot; the packages' files are not there. In a process of its own, whose
memory is not the publisher's.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from benchmarks.packages import ARCH, Library
from quarters.config import Config
from quarters.formats.pacman import Pacman
from quarters.model.repository import Compression, Repository, Snapshot
from quarters.publishing.change import Change
from quarters.publishing.index import IndexWriter
from quarters.publishing.swap import Credit, Swap
from quarters.storage import packages, repositories, snapshots
from quarters.storage.database import Database
from quarters.storage.packages import Addition
from quarters.storage.public import PublicTree
from quarters.storage.settings import StorageSettings
from quarters.storage.snapshots import Entry
from quarters.storage.wakeups import Wakeups
from quarters.wiring.keys import keyring

NAME = "own"
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def settings(folder: Path) -> Config:
    """A server's configuration with the data folder below `folder`."""
    return Config(storage=StorageSettings(data=folder / "data"))


async def fill(folder: Path, size: int, count: int) -> None:
    """Make a repository of `size` packages and, each of one change, `count` snapshots."""
    config = settings(folder)
    data = config.storage.data
    data.mkdir(mode=0o700, parents=True)
    keys = keyring(config)
    key = keys.ensure().fingerprint
    database = Database(config.storage.database_url)
    await database.open()
    swap = Swap(
        database,
        Wakeups(),
        IndexWriter(data / "index", database, {"pacman": Pacman()}, keys),
        PublicTree(data / "public"),
        lambda: datetime.now(UTC),
    )
    library = Library()
    additions = [Addition(file=library.listed(it), signatures={key: b"none"}) for it in range(size)]
    await database.write(_record, additions, count)
    del additions
    repository = await database.read(repositories.get, NAME)
    await swap.publish(repository, Change(), Credit("bench", "the index"))
    await database.close()


def _record(connection: Connection, additions: list[Addition], count: int) -> None:
    repositories.add(connection, Repository(name=NAME, arches=(ARCH,)), _BEGAN)
    packages.add(connection, additions, _BEGAN)
    entries = sorted(Entry(ARCH, it.file.name, it.file.sha256) for it in additions)
    for number in range(1, max(2, count)):
        changed = entries if number == 1 else entries[number % len(entries) :][:1]
        gone = set() if number == 1 else {(it.arch, it.name) for it in changed}
        repositories.advance(connection, NAME, number - 1)
        snapshots.record(connection, NAME, number, changed, gone)
        made = _BEGAN + timedelta(seconds=number)
        snapshot = Snapshot(
            repository=NAME,
            number=number,
            created_at=made,
            actor="bench",
            note="",
            packages=len(entries),
        )
        snapshots.add(connection, snapshot, made, Compression.GZIP)


if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
