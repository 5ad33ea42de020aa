"""Logs of builds: one file an attempt, appended to in order, readable while it grows."""

import os
from pathlib import Path

from quarters.storage.durable import full_disk_told, sync


class LogFiles:
    """`<folder>/<build>/<attempt>.log`; the methods wait for the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, build: int, attempt: int) -> Path:
        """Where the log of an attempt is, once it has begun."""
        return self._folder / str(build) / f"{attempt}.log"

    def size(self, build: int, attempt: int) -> int:
        """How many bytes of the log are there for good."""
        try:
            return self.path(build, attempt).stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, build: int, attempt: int, offset: int, data: bytes) -> int:
        """Add `data`, which belongs at `offset`, and return the size that is on the disk now.

        What is there already is skipped, so that a repeat does no harm; what would leave a gap is not taken, and the
        size says where to go on.
        """
        path = self.path(build, attempt)
        with full_disk_told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                size = os.fstat(descriptor).st_size
                if offset > size or offset + len(data) <= size:
                    return size
                _write(descriptor, data[size - offset :], size)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        if size == 0:
            sync(path.parent)
            sync(self._folder)
        return offset + len(data)

    def read(self, build: int, attempt: int, offset: int, limit: int) -> bytes:
        """At most `limit` bytes from `offset` on; empty at the end, or where there is no log."""
        try:
            with self.path(build, attempt).open("rb") as file:
                if offset >= os.fstat(file.fileno()).st_size:
                    return b""  # file systems refuse to go very far past the end
                file.seek(offset)
                return file.read(limit)
        except FileNotFoundError:
            return b""


def _write(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]
