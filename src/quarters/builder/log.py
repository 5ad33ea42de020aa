"""The log of an attempt: a local file that grows, and its copy on the server that follows."""

import asyncio
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from quarters.builder.failure import BuildFailed
from quarters.builder.hold import Hold
from quarters.builder.persistence import AWAY, Patience
from quarters.model.build import Reason

_BATCH = 0.2
"""Seconds that output is gathered before it is sent."""
_LITTLE = 64 << 10
"""Bytes for which it is not yet worth while to send."""
_PIECE = 1 << 20
"""Most bytes that are sent at once."""
_TAIL = 64 << 10


class BuildLog:
    """Appends to the file at `path`, which may have been begun before; output past `limit` bytes ends the build."""

    def __init__(self, path: Path, limit: int) -> None:
        self._file = path.open("a+b", buffering=0)
        self._limit = limit
        self.size = os.fstat(self._file.fileno()).st_size
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
        return os.pread(self._file.fileno(), size, offset)

    def tail(self, start: int) -> str:
        """The end of what was written from `start` on."""
        return self.read(max(start, self.size - _TAIL), _TAIL).decode(errors="replace")

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self.size += len(data)
        self.grown.set()


async def send(log: BuildLog, hold: Hold, *, begun: bool) -> None:
    """Copy `log` to the server, in order and without gaps, until all of a closed log has arrived.

    Some of it may be there already where this was `begun` before.
    """
    received, piece = (await hold.ask(hold.server.log_received)).size if begun else 0, _PIECE
    patience = Patience(hold.patience)
    while not (log.closed.is_set() and received >= log.size):
        if received >= log.size:
            log.grown.clear()
            await log.grown.wait()
        if log.size - received < _LITTLE:
            await _gather(log)
        offset, data = received, log.read(received, piece)
        try:
            received = (await hold.once(lambda key: hold.server.append_log(key, offset, data))).size  # noqa: B023
            piece = min(2 * piece, _PIECE)
        except AWAY:
            # The bytes may have arrived although the answer did not; a link that breaks soon takes small ones.
            received = (await hold.ask(hold.server.log_received)).size
            piece = max(piece // 4, _LITTLE)
        if received > offset or not data:
            patience.restore()
        else:
            await patience.pause()


async def _gather(log: BuildLog) -> None:
    try:
        async with asyncio.timeout(_BATCH):
            await log.closed.wait()
    except TimeoutError:
        return
