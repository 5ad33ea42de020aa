"""Files that survive a power cut, and full or read-only disks told apart from other trouble."""

import errno
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from quarters.model.errors import StorageFull, Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SYNCS = 4
"""Files that are brought to the disk at once: it takes them in one go."""


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Create `path` with `data` and bring it to the disk; its folder still has to be synced."""
    with disk_trouble_told(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def write_all(folder: Path, contents: Iterable[tuple[str, bytes]], modified_at: datetime) -> None:
    """Create files of one time and bring them to the disk; the folder itself still has to be synced.

    While one file is on its way to the disk, the content of the next one may be worked out.
    """
    time = modified_at.timestamp()
    # Files are closed only after the threads that sync them have ended.
    with disk_trouble_told(folder / "file"), ExitStack() as stack, ThreadPoolExecutor(_SYNCS) as syncing:
        synced = []
        for name, data in contents:
            file = stack.enter_context((folder / name).open("xb"))
            file.write(data)
            file.flush()
            os.utime(file.fileno(), (time, time))
            synced.append(syncing.submit(os.fsync, file.fileno()))
        for it in synced:
            it.result()


def sync(path: Path) -> None:
    """Bring a file's content or a folder's entries to the disk."""
    with disk_trouble_told(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def disk_trouble_told(path: Path) -> Iterator[None]:
    """Turn the system's "no space left" into StorageFull and its "read-only" into Unavailable, naming the folder."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(
                f"There is no space left in {path.parent}; free some, it goes on by itself."
            ) from error
        if error.errno == errno.EROFS:
            raise Unavailable(
                f"{path.parent} cannot be written, its file system is read-only; once that is mended, it goes on by itself."
            ) from error
        raise
