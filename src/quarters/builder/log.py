"""The log of an attempt: a local file that grows, and its copy on the server that follows."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from quarters.builder.failure import BuildFailed
from quarters.builder.persistence import AWAY, persistently
from quarters.builder.server import Server
from quarters.model.build import Reason
from quarters.protocol.builds import LeaseKey

_BATCH = 0.2
"""Seconds that output is gathered before it is sent."""
_CHUNK = 64 << 10
_TAIL = 64 << 10


class BuildLog:
    """Appends to the file at `path`; output of more than `limit` bytes ends the build."""

    def __init__(self, path: Path, limit: int) -> None:
        self._file = path.open("w+b", buffering=0)
        self._limit = limit
        self.size = 0
        self.grown = asyncio.Event()
        self.closed = asyncio.Event()

    def __enter__(self) -> Self:
        """Open while the attempt lasts."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up the file."""
        self._file.close()

    def output(self, data: bytes) -> None:
        """Append what a command printed, as far as the limit allows."""
        room = self._limit - self.size
        if len(data) > room:
            self._append(data[: max(room, 0)])
            sentence = f"The log passed its limit of {self._limit} bytes; the build was ended."
            self.say(sentence)
            raise BuildFailed(Reason.LOG_TOO_LARGE, sentence)
        self._append(data)

    def say(self, sentence: str) -> None:
        """Append a line of Quarters' own, limit or not."""
        self._append(f"[quarters] {sentence}\n".encode(errors="backslashreplace"))

    def close(self) -> None:
        """Nothing follows."""
        self.closed.set()
        self.grown.set()

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on."""
        self._file.seek(offset)
        return self._file.read(size) or b""

    def tail(self, start: int) -> str:
        """The end of what was written from `start` on."""
        return self.read(max(start, self.size - _TAIL), _TAIL).decode(errors="replace")

    def _append(self, data: bytes) -> None:
        self._file.seek(self.size)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self.size += len(data)
        self.grown.set()


async def send(log: BuildLog, server: Server, key: LeaseKey, patience: float) -> None:
    """Copy `log` to the server, in order and without gaps, until all of a closed log has arrived."""
    received = 0
    while not (log.closed.is_set() and received >= log.size):
        if received >= log.size:
            log.grown.clear()
            await log.grown.wait()
        if log.size - received < _CHUNK:
            await _gather(log)
        data = log.read(received, _CHUNK)
        try:
            received = (await server.append_log(key, received, data)).size if data else received
        except AWAY:
            # The bytes may have arrived although the answer did not.
            received = (await persistently(lambda: server.log_received(key), patience)).size


async def _gather(log: BuildLog) -> None:
    try:
        async with asyncio.timeout(_BATCH):
            await log.closed.wait()
    except TimeoutError:
        return
