"""A folder on this machine: one symbolic link says which index is served, so that a reader sees the old or the new one."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from quarters.model.errors import TargetUnusable
from quarters.transfer.targets.target import INDEXES, STATE, State, decoded, encoded, foreign

CURRENT = "current"
"""The link to the folder of the index that is served."""

_UNFINISHED = ".incoming-"
_SYNCS = 4


class Folder:
    """Moves files into place; survives being killed, and power cuts, at any moment."""

    def __init__(self, location: str) -> None:
        self._folder = Path(location).absolute()
        self._incoming = self._folder

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Path]:
        """Make the folder and lock it."""
        with _told(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TargetUnusable(f"Another export to {self._folder} is running.") from None
            with _told(self._folder):
                await asyncio.to_thread(self._prepare)
                yield self._incoming
        finally:
            if self._incoming != self._folder:
                shutil.rmtree(self._incoming, ignore_errors=True)
            os.close(descriptor)

    def _prepare(self) -> None:
        there = [it.name for it in self._folder.iterdir() if not it.name.startswith(_UNFINISHED)]
        if there and STATE not in there:
            raise foreign(str(self._folder))
        for left in self._folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
        self._incoming = Path(mkdtemp(dir=self._folder, prefix=_UNFINISHED))

    async def state(self) -> State | None:
        """What is noted."""
        try:
            return decoded((self._folder / STATE).read_bytes(), str(self._folder))
        except FileNotFoundError:
            return None

    async def sizes(self) -> Mapping[str, int]:
        """The length of all plain files."""
        return await asyncio.to_thread(self._sizes)

    def _sizes(self) -> dict[str, int]:
        found = {}
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = Path(folder, name)
                if not path.is_symlink():
                    found[str(path.relative_to(self._folder))] = path.stat().st_size
        return found

    async def put(self, names: Sequence[str]) -> None:
        """Bring the files to the disk, then name them."""
        await asyncio.to_thread(self._put, names)

    def _put(self, names: Sequence[str]) -> None:
        with ThreadPoolExecutor(_SYNCS) as syncing:
            list(syncing.map(_sync, (self._incoming / name for name in names)))
        folders = {(self._folder / name).parent for name in names}
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (self._incoming / name).rename(self._folder / name)
        for folder in sorted({*folders, *(folder.parent for folder in folders), self._folder}):
            _sync(folder)

    async def serve(self, index: str, names: Collection[str]) -> None:
        """Turn the link; the names that clients know lead through it."""
        for name in names:
            self._link(name, f"../{CURRENT}/{name}")
        for folder in {(self._folder / name).parent for name in names}:
            _sync(folder)
        self._link(CURRENT, f"{INDEXES}/{index}")
        _sync(self._folder)

    def _link(self, name: str, to: str) -> None:
        path = self._folder / name
        if path.is_symlink() and os.readlink(path) == to:
            return
        path.parent.mkdir(exist_ok=True)
        new = self._incoming / "link"
        new.symlink_to(to)
        new.rename(path)

    async def note(self, state: State) -> None:
        """Write it anew."""
        (self._incoming / STATE).write_bytes(encoded(state))
        await self.put([STATE])

    async def remove(self, names: Collection[str]) -> None:
        """Remove files, and folders that are empty then."""
        await asyncio.to_thread(self._remove, names)

    def _remove(self, names: Iterable[str]) -> None:
        folders = set()
        for name in names:
            path = self._folder / name
            path.unlink(missing_ok=True)
            folders |= set(path.parents) - {self._folder, *self._folder.parents}
        for folder in sorted(folders, key=lambda it: len(it.parts), reverse=True):
            with suppress(OSError):  # something else is in it
                folder.rmdir()


class _told:  # noqa: N801 - reads as a verb
    """Turns the system's errors into TargetUnusable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            where = error.filename or self._folder
            raise TargetUnusable(f"{where} cannot be written: {error.strerror}.") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
