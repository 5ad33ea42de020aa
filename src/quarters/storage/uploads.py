"""Artifacts on their way in: files of an attempt that may arrive in parts, and the rows that say which are whole."""

import asyncio
import hashlib
import os
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from quarters.model.errors import Invalid, StorageFull
from quarters.storage.durable import disk_trouble_told, sync
from quarters.storage.schema import artifacts

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_SEALED = "This attempt has ended; nothing more is taken for it."
_PIECE = 2 << 20
"""Bytes that are gathered before they are written."""


class Content(NamedTuple):
    """What a file holds: `size` in bytes, `sha256` in hexadecimal."""

    size: int
    sha256: str


class Arrived(NamedTuple):
    """How many bytes of a file are there, and their SHA-256 where all of them came at once, else ""."""

    size: int
    sha256: str


class Incoming:
    """`<folder>/<build>/<attempt>/<file>`: what builders upload, until it is published or given up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._arrivals: defaultdict[Path, set[_Arrival]] = defaultdict(set)
        self._sealed: set[Path] = set()

    def path(self, build: int, attempt: int, file_name: str) -> Path:
        """Where an artifact is; `file_name` was checked by the package format."""
        return self._folder / str(build) / str(attempt) / file_name

    def size(self, build: int, attempt: int, file_name: str) -> int:
        """How many bytes of it have arrived."""
        try:
            return self.path(build, attempt, file_name).stat().st_size
        except FileNotFoundError:
            return 0

    async def receive(self, path: Path, size: int, offset: int, chunks: AsyncIterator[bytes]) -> "Arrived":
        """Write what arrives from `offset` on, in constant memory, and return what is there now.

        Invalid if it is more than the announced `size`, or sealed; StorageFull if the disk cannot take it.
        """
        arrival, folder = _Arrival(path), path.parent
        if folder in self._sealed:
            raise Invalid(_SEALED)
        # A link that broke unnoticed may still deliver what was sent before the sender began anew.
        for earlier in [it for it in self._arrivals.get(folder, ()) if it.path == path]:
            await earlier.end()
        self._arrivals[folder].add(arrival)
        try:
            await arrival.open(size, offset)
            at = await _written(arrival, size, offset, chunks)
        finally:
            arrival.close()
            self._arrivals[folder].discard(arrival)
            if not self._arrivals[folder]:
                del self._arrivals[folder]
        return Arrived(at, arrival.sha256)

    async def seal(self, build: int, attempt: int) -> None:
        """Take nothing more for this attempt; afterwards nobody writes to its files any more, nor ever can.

        What is verified and signed from now on is what stays: a file in the store is another name of the uploaded one.
        """
        folder = self._folder / str(build) / str(attempt)
        self._sealed.add(folder)
        for arrival in list(self._arrivals.get(folder, ())):
            await arrival.end()

    async def is_whole(self, path: Path, content: Content, sha256: str = "") -> bool:
        """Whether the file is what was announced, and is on the disk for good; it is read unless its `sha256` is known."""
        return await asyncio.to_thread(self._is_whole, path, content, sha256)

    def _is_whole(self, path: Path, content: Content, sha256: str) -> bool:
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size != content.size:
                    return False
                if (sha256 or hashlib.file_digest(file, "sha256").hexdigest()) != content.sha256:
                    return False
                with disk_trouble_told(path):
                    os.fsync(file.fileno())
        except FileNotFoundError:
            return False
        for folder in (path.parent, path.parent.parent, self._folder):
            sync(folder)
        return True

    def attempts(self) -> set[tuple[int, int]]:
        """The attempts (build, number) that something was uploaded for."""
        return {
            (int(build.name), int(attempt.name))
            for build in _numbered(self._folder)
            for attempt in _numbered(build)
        }

    def recover(self) -> None:
        """Remove the empty folders that a process leaves which is killed in `remove`; before anything arrives."""
        for build in _numbered(self._folder):
            with suppress(OSError):
                build.rmdir()

    def remove(self, attempts: Collection[tuple[int, int]]) -> None:
        """Remove what was uploaded for these attempts."""
        for build, attempt in attempts:
            folder = self._folder / str(build) / str(attempt)
            shutil.rmtree(folder, ignore_errors=True)
            self._sealed.discard(folder)
            with suppress(OSError):
                folder.parent.rmdir()  # unless another attempt is in it


class _Arrival:
    """A file while it arrives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sha256: Hash | None = None
        self._file: FileIO | None = None
        self._ended = False
        self._writing = asyncio.Lock()

    async def open(self, size: int, offset: int) -> None:
        """Cut the file off at `offset`, to go on there; StorageFull if `size` cannot fit."""
        async with self._writing:
            self._check()
            self._file = await asyncio.to_thread(_open, self.path, size, offset)
            self._sha256 = None if offset else hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of all that was written, "" where something was there before."""
        return self._sha256.hexdigest() if self._sha256 else ""

    async def append(self, data: bytearray) -> None:
        """Write; Invalid once it has ended."""
        async with self._writing:
            self._check()
            if self._file is not None:
                # A thread cannot be stopped: whoever hangs up meanwhile waits, so that nothing is written afterwards.
                writing = asyncio.ensure_future(
                    asyncio.to_thread(_append, self._file, self.path, data, self._sha256)
                )
                try:
                    await asyncio.shield(writing)
                finally:
                    await asyncio.wait([writing])

    async def end(self) -> None:
        """Let nothing more be written."""
        async with self._writing:
            self._ended = True

    def close(self) -> None:
        """Give up the file."""
        self._ended = True
        if self._file is not None:
            self._file.close()

    def _check(self) -> None:
        if self._ended:
            raise Invalid(_SEALED)


def _numbered(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.name.isdigit()] if folder.is_dir() else []


def put(connection: Connection, build: int, attempt: int, file_name: str, content: Content) -> None:
    """Note that an artifact is here whole."""
    forget(connection, build, attempt, file_name)
    connection.execute(
        insert(artifacts).values(
            build=build,
            attempt=attempt,
            file_name=file_name,
            size=content.size,
            sha256=content.sha256,
            version="",
        )
    )


def forget(connection: Connection, build: int, attempt: int, file_name: str) -> None:
    """An artifact is to be sent anew."""
    connection.execute(
        delete(artifacts).where(
            artifacts.c.build == build, artifacts.c.attempt == attempt, artifacts.c.file_name == file_name
        )
    )


def whole(connection: Connection, build: int, attempt: int) -> dict[str, Content]:
    """The artifacts of an attempt that are here whole, by file name."""
    query = select(artifacts).where(artifacts.c.build == build, artifacts.c.attempt == attempt)
    return {row.file_name: Content(row.size, row.sha256) for row in connection.execute(query)}


def settle(
    connection: Connection, build: int, attempt: int, signatures: Mapping[str, bytes], version: str
) -> None:
    """The attempt made the artifacts of these names, which bear `version`; others that were sent do not count.

    Each comes with its builder's signature, which is empty where there is none.
    """
    of_attempt = (artifacts.c.build == build, artifacts.c.attempt == attempt)
    connection.execute(delete(artifacts).where(*of_attempt, artifacts.c.file_name.not_in(sorted(signatures))))
    connection.execute(update(artifacts).where(*of_attempt).values(version=version))
    for name, signature in signatures.items():
        if signature:
            named = update(artifacts).where(*of_attempt, artifacts.c.file_name == name)
            connection.execute(named.values(signature=signature))


def _open(path: Path, size: int, offset: int) -> FileIO:
    with disk_trouble_told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < size - offset:
            raise StorageFull(f"{path.name} takes {size - offset} more bytes, and the server's disk has not.")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        file = FileIO(descriptor, "w")
        file.truncate(offset)
        file.seek(offset)
    return file


def _append(file: FileIO, path: Path, data: bytearray, sha256: "Hash | None") -> None:
    begin, view = file.tell(), memoryview(data)
    with disk_trouble_told(path):
        while view:
            view = view[file.write(view) :]
    # The disk begins with it now, so that little is left to be waited for in the end (posix_fadvise(2), DONTNEED).
    os.posix_fadvise(file.fileno(), begin, len(data), os.POSIX_FADV_DONTNEED)
    if sha256:
        sha256.update(data)


async def _written(arrival: _Arrival, size: int, offset: int, chunks: AsyncIterator[bytes]) -> int:
    """Write `chunks` from `offset` on; one piece is on its way to the file while the next one is gathered."""
    at, gathered = offset, bytearray()
    writing: asyncio.Task[None] | None = None
    try:
        async for chunk in chunks:
            at += len(chunk)
            if at > size:
                raise Invalid(f"{arrival.path.name} was announced with {size} bytes, and more arrived.")
            gathered += chunk
            if len(gathered) >= _PIECE:
                if writing:
                    await writing
                writing = asyncio.create_task(arrival.append(gathered))
                gathered = bytearray()
    finally:
        # Also where the connection broke: what arrived need not be sent again.
        if writing:
            await writing
        if at <= size:
            await arrival.append(gathered)
    return at
