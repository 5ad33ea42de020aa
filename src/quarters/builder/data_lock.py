"""A builder's folder belongs to one process at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quarters.model.errors import DataFolderBusy, DataFolderUnusable


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Keep others out of the folder; DataFolderBusy if somebody has it, DataFolderUnusable if it cannot be written."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data / "builder.lock").open("w")
    except OSError as error:
        raise DataFolderUnusable(f"{data} cannot be written: {error.strerror}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataFolderBusy(f"Another builder already uses {data}.") from None
        yield
