"""What a look-up brings."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from quarters.server.ranges import Validators

FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
_TYPES = {
    ".zst": "application/zstd",
    ".xz": "application/x-xz",
    ".gz": "application/gzip",
    ".sig": "application/pgp-signature",
}


class OpenFile:
    """A file that stays what it is, whatever happens to its name, and is closed with the last reference to it."""

    def __init__(self, path: str) -> None:
        self._descriptor = -1
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.path = path

    def fileno(self) -> int:
        """Its descriptor; what is read from it names its offset."""
        return self._descriptor

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


class Stored(NamedTuple):
    """A file on the disk; `cache` is for how long clients may keep it."""

    file: OpenFile
    size: int
    validators: Validators
    media_type: str
    cache: str


class Held(NamedTuple):
    """A few bytes that are no file."""

    data: bytes
    validators: Validators
    media_type: str


class Elsewhere(NamedTuple):
    """The file is at another address, at this moment."""

    location: str


Found = Stored | Held | Elsewhere


def stored(path: Path, name: str, cache: str) -> Stored:
    """The file at `path`, to be served under `name`; FileNotFoundError."""
    file = OpenFile(str(path))
    status = os.fstat(file.fileno())
    modified = int(status.st_mtime)
    # As nginx has it, which may answer in our place.
    validators = Validators(f'"{modified:x}-{status.st_size:x}"', datetime.fromtimestamp(modified, UTC))
    return Stored(file, status.st_size, validators, _media_type(name, path.name), cache)


def held(data: bytes, name: str) -> Held:
    """`data`, to be served under `name`."""
    return Held(data, Validators(f'"{hashlib.sha256(data).hexdigest()}"', None), _media_type(name))


def _media_type(*names: str) -> str:
    """By the first name that tells: `core.db` does not, the file that it stands for does."""
    suffixes = (Path(name).suffix for name in names)
    return next((_TYPES[suffix] for suffix in suffixes if suffix in _TYPES), "application/octet-stream")
