"""Index files on disk: one signed set per snapshot and architecture, whole or not there, and made again if lost."""

import asyncio
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import msgspec
from sqlalchemy import Connection

from quarters.formats import pages
from quarters.formats.format import Formats
from quarters.formats.pages import Index
from quarters.model.repository import Repository
from quarters.publishing.change import Change
from quarters.publishing.keys import KeyRing
from quarters.publishing.paging import Base, Edition, turned
from quarters.storage import durable, repositories
from quarters.storage.database import Database

_UNFINISHED = ".new-"
TABLE = ".pages"
"""Name of the file by which the next publish finds the pages of an index again."""

POLICY = ".repository"
"""Name of the file beside the architectures that tells the repository's policy, should the database be lost."""

SIGNATURE = ".sig"

_Fill = Callable[[Connection, Path], None]


class IndexWriter:
    """Folders `<repository>/<snapshot>-<compression>-<key>/<arch>`; a folder of that name is complete and on the disk.

    They are made from rows, so that losing them costs time only; what is the same in another index that is there is
    taken over. The key is part of the name, so that after a change of key the served index is signed anew.
    """

    def __init__(self, folder: Path, database: Database, formats: Formats, keys: KeyRing) -> None:
        self._folder = folder
        self._database = database
        self._formats = formats
        self._keys = keys
        self._making: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def prepare(
        self, repository: Repository, before: int, change: Change, modified_at: datetime
    ) -> None:
        """Write the index of the snapshot that `change` makes of `before`; nobody sees it until that is committed."""
        fills: dict[str, _Fill] = {}
        previous = self._path(repository, before)
        for arch in repository.arches:
            if not change.touches(arch) and (previous / arch).is_dir():
                fills[arch] = partial(_link_files, previous / arch)
            else:
                edition = Edition(repository, before, arch, change)
                fills[arch] = partial(self._write_files, edition, modified_at)
        await self._database.read(self._make, self._path(repository, before + 1), fills, repository)

    async def file(
        self, repository: Repository, number: int, modified_at: datetime, arch: str, file_name: str
    ) -> Path:
        """An index file of a committed snapshot, made again if it is not there."""
        folder = self._path(repository, number)
        if not (folder / arch).is_dir():
            async with self._making[folder]:
                if not (folder / arch).is_dir():
                    await self._restore(repository, number, modified_at, folder)
            self._making.pop(folder, None)
        return folder / arch / file_name

    def at_hand(self, repository: Repository) -> list[tuple[int, Path]]:
        """The snapshots whose index is on the disk as it is served, and its folder; others are made when asked for."""
        return sorted(it for it in self._folders(repository.name) if it[1] == self._path(repository, it[0]))

    def strange(self, repository: str) -> list[Path]:
        """What lies among a repository's folders and is none of them."""
        folder = self._folder / repository
        known = {path for _, path in self._folders(repository)}
        there = folder.iterdir() if folder.is_dir() else ()
        return sorted(it for it in there if it not in known and not it.name.startswith(_UNFINISHED))

    def fresh(self, connection: Connection, repository: Repository, number: int, arch: str) -> Index:
        """The index files as rows alone have them, for comparison; not signed."""
        format = self._formats[repository.format]
        edition = Edition(repository, number, arch, Change())
        new = turned(connection, format, edition, None)
        return pages.bound(format, repository.name, new, repository.compression)

    def prune(self, repository: str, current: int, kept: int) -> None:
        """Remove the folders of all but the `kept` newest snapshots."""
        for number, folder in self._folders(repository):
            if number <= current - kept:
                _discard(folder)

    def remains(self) -> dict[str, list[tuple[int, Path]]]:
        """By repository, known or not, the snapshots that have a folder, the newest first; but for the empty first one."""
        there = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        found = {it.name: sorted(self._folders(it.name), reverse=True) for it in there}
        return {name: folders for name, folders in found.items() if folders and folders[0][0] > 1}

    def drop(self, repository: str) -> None:
        """Remove all of a repository's folders."""
        for path in [path for _, path in self._folders(repository)] + self.strange(repository):
            _discard(path)
        with suppress(OSError):  # a publish may have begun to fill it again
            (self._folder / repository).rmdir()

    def sweep(self, currents: Mapping[str, int]) -> None:
        """Remove what killed processes left: unfinished folders, and those of snapshots that were never committed."""
        if not self._folder.is_dir():
            return
        for repository in self._folder.iterdir():
            if repository.name not in currents:
                shutil.rmtree(repository, ignore_errors=True)
                continue
            for unfinished in repository.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(unfinished, ignore_errors=True)
            for number, folder in self._folders(repository.name):
                if number > currents[repository.name]:
                    shutil.rmtree(folder, ignore_errors=True)

    async def _restore(
        self, repository: Repository, number: int, modified_at: datetime, folder: Path
    ) -> None:
        fills = {
            arch: partial(self._write_files, Edition(repository, number, arch, Change()), modified_at)
            for arch in repository.arches
        }
        await self._database.read(self._make, folder, fills, repository)

    def _make(
        self, connection: Connection, folder: Path, fills: Mapping[str, _Fill], repository: Repository
    ) -> None:
        with durable.disk_trouble_told(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            unfinished = Path(mkdtemp(dir=folder.parent, prefix=_UNFINISHED))
            try:
                unfinished.chmod(0o755)
                for arch, fill in fills.items():
                    (unfinished / arch).mkdir()
                    fill(connection, unfinished / arch)
                    durable.sync(unfinished / arch)
                (unfinished / POLICY).write_bytes(msgspec.json.encode(repository))
                durable.sync(unfinished)
                _discard(folder)  # of a publish that was never committed, or with fewer architectures
                unfinished.rename(folder)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
            durable.sync(folder.parent)

    def _write_files(
        self, edition: Edition, modified_at: datetime, connection: Connection, folder: Path
    ) -> None:
        repository = edition.repository
        format = self._formats[repository.format]
        new = turned(connection, format, edition, self._base(connection, edition))
        index = pages.bound(format, repository.name, new, repository.compression)
        # The time is what clients are told; a server that only looks at the file then tells the same.
        durable.write_all(folder, self._signed(index), modified_at)

    def _signed(self, index: Index) -> Iterator[tuple[str, bytes]]:
        signer = self._keys.signer()
        with ThreadPoolExecutor(len(index.files)) as signing:
            signatures = {name: signing.submit(signer.sign, data) for name, data in index.files.items()}
            yield from index.files.items()
            yield TABLE, index.table
            for name, signature in signatures.items():
                yield f"{name}{SIGNATURE}", signature.result()

    def _base(self, connection: Connection, edition: Edition) -> Base | None:
        """The index to start from: of the nearest snapshot, as that has most in common."""
        repository = edition.repository
        # What is newer was never committed: the rows do not know what it lists.
        current = repositories.currents(connection).get(repository.name, 0)
        names = self._formats[repository.format].index_files(repository.name, repository.compression)
        there = [it for it in self._folders(repository.name) if it[0] <= current]
        for number, folder in sorted(there, key=lambda it: abs(it[0] - edition.number)):
            arch = folder / edition.arch
            try:
                table, *files = [(arch / name).read_bytes() for name in (TABLE, *names)]
            except OSError:  # without this architecture, in another compression, or pruned just now
                continue
            return Base(number, pages.opened(table, files))
        return None

    def _path(self, repository: Repository, number: int) -> Path:
        name = f"{number}-{repository.compression}-{self._keys.fingerprint[:16]}"
        return self._folder / repository.name / name

    def _folders(self, repository: str) -> list[tuple[int, Path]]:
        found = []
        for folder in (self._folder / repository).glob("*-*"):
            number = folder.name.partition("-")[0]
            if number.isdecimal():
                found.append((int(number), folder))
        return found


def _link_files(source: Path, _connection: Connection, folder: Path) -> None:
    for path in source.iterdir():
        os.link(path, folder / path.name)


def _discard(path: Path) -> None:
    """Remove a file or a folder, if it is there; killed within, this leaves nothing that looks like an index."""
    gone = path.with_name(f"{_UNFINISHED}{uuid4().hex}")
    with suppress(FileNotFoundError):
        path.rename(gone)
        if gone.is_dir():
            shutil.rmtree(gone, ignore_errors=True)
        else:
            gone.unlink()
