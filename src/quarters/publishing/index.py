"""Index files on disk: one signed set per snapshot and architecture, whole or not there, and made again if lost."""

import asyncio
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from sqlalchemy import Connection

from quarters.formats.format import Formats
from quarters.model.repository import Repository
from quarters.publishing.change import Change
from quarters.publishing.keys import KeyRing
from quarters.storage import durable, packages
from quarters.storage.database import Database

_UNFINISHED = ".new-"
SIGNATURE = ".sig"

Parts = Iterable[Mapping[str, str]]
_Fill = Callable[[Path], None]


class IndexWriter:
    """Folders `<repository>/<snapshot>-<key>/<arch>`; a folder of that name is complete and on the disk.

    They are made from rows, so that losing them costs time only. The key is part of the name, so that after a change
    of key the served index is signed anew.
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
        previous = self._path(repository.name, before)
        for arch in repository.arches:
            if not change.touches(arch) and (previous / arch).is_dir():
                fills[arch] = partial(_link_files, previous / arch)
            else:
                parts = await self._database.read(_changed_parts, repository.name, before, arch, change)
                fills[arch] = partial(self._write_files, repository, parts, modified_at)
        await asyncio.to_thread(self._make, self._path(repository.name, before + 1), fills)

    async def file(
        self, repository: Repository, number: int, modified_at: datetime, arch: str, file_name: str
    ) -> Path:
        """An index file of a committed snapshot, made again if it is not there."""
        folder = self._path(repository.name, number)
        if not (folder / arch).is_dir():
            async with self._making[folder]:
                if not (folder / arch).is_dir():
                    await self._restore(repository, number, modified_at, folder)
            self._making.pop(folder, None)
        return folder / arch / file_name

    def prune(self, repository: str, current: int, kept: int) -> None:
        """Remove the folders of all but the `kept` newest snapshots."""
        for number, folder in self._folders(repository):
            if number <= current - kept:
                shutil.rmtree(folder, ignore_errors=True)

    def drop(self, repository: str) -> None:
        """Remove all of a repository's folders."""
        shutil.rmtree(self._folder / repository, ignore_errors=True)

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
        fills: dict[str, _Fill] = {}
        for arch in repository.arches:
            parts = await self._database.read(_changed_parts, repository.name, number, arch, Change())
            fills[arch] = partial(self._write_files, repository, parts, modified_at)
        await asyncio.to_thread(self._make, folder, fills)

    def _make(self, folder: Path, fills: Mapping[str, _Fill]) -> None:
        with durable.full_disk_told(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            unfinished = Path(mkdtemp(dir=folder.parent, prefix=_UNFINISHED))
            try:
                unfinished.chmod(0o755)
                for arch, fill in fills.items():
                    (unfinished / arch).mkdir()
                    fill(unfinished / arch)
                    durable.sync(unfinished / arch)
                durable.sync(unfinished)
                with suppress(FileNotFoundError):
                    shutil.rmtree(
                        folder
                    )  # of a publish that was never committed, or with fewer architectures
                unfinished.rename(folder)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
            durable.sync(folder.parent)

    def _write_files(self, repository: Repository, parts: Parts, modified_at: datetime, folder: Path) -> None:
        for file_name, data in self._formats[repository.format].index(repository.name, parts).items():
            for name, content in ((file_name, data), (f"{file_name}{SIGNATURE}", self._keys.sign(data))):
                durable.write(folder / name, content)
                # What clients are told; a server that only looks at the file then tells the same.
                os.utime(folder / name, (modified_at.timestamp(),) * 2)

    def _path(self, repository: str, number: int) -> Path:
        return self._folder / repository / f"{number}-{self._keys.fingerprint[:16]}"

    def _folders(self, repository: str) -> list[tuple[int, Path]]:
        found = []
        for folder in (self._folder / repository).glob("*-*"):
            number = folder.name.partition("-")[0]
            if number.isdecimal():
                found.append((int(number), folder))
        return found


def _changed_parts(
    connection: Connection, repository: str, number: int, arch: str, change: Change
) -> list[dict[str, str]]:
    """What the index of `arch` lists once `change` is applied to the snapshot `number`."""
    kept = {
        name: parts
        for name, parts in packages.index_parts(connection, repository, number, arch)
        if (arch, name) not in change.gone
    }
    added = {addition.file.sha256: addition.file.index for addition in change.additions}
    put = [entry for entry in change.put if entry.arch == arch]
    known = packages.index_parts_of(connection, [it.sha256 for it in put if it.sha256 not in added])
    kept |= {entry.name: added.get(entry.sha256) or known[entry.sha256] for entry in put}
    return list(kept.values())


def _link_files(source: Path, folder: Path) -> None:
    for path in source.iterdir():
        os.link(path, folder / path.name)
