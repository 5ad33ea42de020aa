"""Logs of builds: a file an attempt, appended to in order and readable while it grows, compressed once it has ended."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from quarters.storage import seekable
from quarters.storage.durable import disk_trouble_told, sync

_GROWING = "growing"
_UNFINISHED = ".new"


class LogFiles:
    """`<folder>/growing/<build>.<attempt>.log`, then `<folder>/<build>/<attempt>.log.zst`; the methods wait for the disk.

    A log is at one of the two places at least: the second one is complete as soon as it has its name. Whoever changes
    the first one holds a lock on it, so that nothing is added to a log that was just compressed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._growing = folder / _GROWING

    def size(self, build: int, attempt: int) -> int:
        """How many bytes of the log are there for good."""
        with suppress(FileNotFoundError):
            return self._raw(build, attempt).stat().st_size
        try:
            with self._packed(build, attempt).open("rb") as file:
                return seekable.table(file).size
        except FileNotFoundError:
            return 0

    def append(self, build: int, attempt: int, offset: int, data: bytes) -> int:
        """Add `data`, which belongs at `offset`, and return the size that is on the disk now.

        What is there already is skipped, so that a repeat does no harm; what would leave a gap is not taken, and the
        size says where to go on. Nothing is added to a log that is compressed.
        """
        path = self._raw(build, attempt)
        with disk_trouble_told(path):
            self._growing.mkdir(parents=True, exist_ok=True)
            with _locked(path, os.O_RDWR | os.O_CREAT) as descriptor:
                size = os.fstat(descriptor).st_size
                if size == 0 and self._packed(build, attempt).exists():
                    path.unlink()
                    return self.size(build, attempt)
                if offset > size or offset + len(data) <= size:
                    return size
                _write(descriptor, data[size - offset :], size)
                os.fdatasync(descriptor)
        if size == 0:
            sync(self._growing)
        return offset + len(data)

    def read(self, build: int, attempt: int, offset: int, limit: int) -> bytes:
        """At most `limit` bytes from `offset` on; empty at the end, or where there is no log."""
        with suppress(FileNotFoundError), self._raw(build, attempt).open("rb") as file:
            if offset >= os.fstat(file.fileno()).st_size:
                return b""  # file systems refuse to go very far past the end
            file.seek(offset)
            return file.read(limit)
        with suppress(FileNotFoundError), self._packed(build, attempt).open("rb") as file:
            return seekable.read(file, offset, limit)
        return b""

    def growing(self) -> set[tuple[int, int]]:
        """The attempts (build, number) whose logs are not compressed yet."""
        found = set()
        for path in _entries(self._growing):
            build, _, attempt = path.name.removesuffix(".log").partition(".")
            if build.isdigit() and attempt.isdigit():
                found.add((int(build), int(attempt)))
        return found

    def compress(self, build: int, attempt: int) -> None:
        """Compress the log of an attempt that has ended, in constant memory; killed meanwhile it is as if never begun."""
        raw, packed = self._raw(build, attempt), self._packed(build, attempt)
        with suppress(FileNotFoundError), disk_trouble_told(raw), _locked(raw, os.O_RDONLY) as descriptor:
            if packed.exists():
                raw.unlink()  # this was killed after the other one was complete
                return
            packed.parent.mkdir(exist_ok=True)
            unfinished = packed.with_suffix(_UNFINISHED)
            with unfinished.open("wb") as target:
                seekable.compress(os.fdopen(descriptor, "rb", closefd=False), target)
                target.flush()
                os.fsync(target.fileno())
            unfinished.rename(packed)
            sync(packed.parent)
            sync(self._folder)
            raw.unlink()

    def builds(self) -> list[int]:
        """The builds that have logs."""
        packed = {int(path.name) for path in _entries(self._folder) if path.name.isdigit()}
        return sorted(packed | {build for build, _ in self.growing()})

    def weight(self, build: int) -> int:
        """Bytes of disk that the logs of a build take."""
        return sum(path.stat().st_size for path in self._of(build))

    def remove(self, build: int) -> int:
        """Remove the logs of a build; returns the bytes that are freed."""
        freed = self.weight(build)
        for path in self._of(build):
            path.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            (self._folder / str(build)).rmdir()
        return freed

    def _of(self, build: int) -> list[Path]:
        return [*self._growing.glob(f"{build}.*.log"), *_entries(self._folder / str(build))]

    def _raw(self, build: int, attempt: int) -> Path:
        return self._growing / f"{build}.{attempt}.log"

    def _packed(self, build: int, attempt: int) -> Path:
        return self._folder / str(build) / f"{attempt}.log.zst"


@contextmanager
def _locked(path: Path, flags: int) -> Iterator[int]:
    """A descriptor of the file that bears this name, which nobody else changes meanwhile."""
    while True:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # It may have been compressed and removed while this waited.
            if os.fstat(descriptor).st_nlink:
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _write(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]
