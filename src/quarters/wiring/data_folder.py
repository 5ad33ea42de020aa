"""The data folder: made if need be, and used by one server at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quarters.model.errors import DataFolderBusy, DataFolderUnusable

_LOCK = "server.lock"
# What another user must not read; packages, their index and logs are for everybody anyway.
_PRIVATE = ("keys",)


def guard() -> None:
    """Whatever umask this process was started with: only its user may write to what it makes."""
    os.umask(os.umask(0o022) | 0o022)


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """Have `folder` to oneself; DataFolderBusy names who has it, DataFolderUnusable what is wrong with it."""
    guard()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _PRIVATE:
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataFolderUnusable(
            f"The data folder {folder} cannot be written ({error.strerror}); "
            "choose another one with --data, or change who owns it."
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataFolderBusy(_busy(folder, lock)) from None
        # Only for the sentence above; the lock itself is the kernel's, and gone with the process.
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield folder
    finally:
        os.close(lock)


def _busy(folder: Path, lock: int) -> str:
    process = os.pread(lock, 32, 0).decode(errors="replace").strip()
    who = f"process {process}" if process else "another server"
    return (
        f"The data folder {folder} is already used by {who}; stop it, or choose another folder with --data."
    )
