"""Answers requests for files: from memory without waiting where it can, else from rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from quarters.model.errors import NotFound, QuartersError
from quarters.server.files.address import Asked, asked
from quarters.server.files.directory import Directory
from quarters.server.files.found import ASK_AGAIN, FOR_EVER, Found, Stored
from quarters.server.files.memory import Memory
from quarters.server.files.reply import Accel, Reply, failure, reply
from quarters.storage.public import PublicTree
from quarters.storage.wakeups import Wakeups

log = structlog.get_logger(__name__)

_CONDITIONS = frozenset((b"range", b"if-none-match", b"if-modified-since", b"if-range"))


class Request(NamedTuple):
    """A request without its body; names of headers are in lower case."""

    method: bytes
    url: bytes
    headers: Sequence[tuple[bytes, bytes]]


class _Ready(NamedTuple):
    """What an address stands for, and the answer that nearly everybody gets."""

    found: Found
    plain: Reply


class Files:
    """All that is below `/repo/`."""

    def __init__(
        self, directory: Directory, wakeups: Wakeups, public: PublicTree, accel: Accel | None = None
    ) -> None:
        self._directory = directory
        self._public = public
        self._memory: Memory[_Ready] = Memory(directory.currents, wakeups)
        self._accel = accel

    def at_once(self, request: Request) -> Reply | None:
        """The answer, if it can be given without waiting."""
        ready = self._memory.recall(request.url)
        return None if ready is None else self._fitting(ready, request)

    async def answer(self, request: Request) -> Reply:
        """The answer, also where it is an error."""
        try:
            ready = await self._memory.find(request.url, lambda: self._look_up(request.url))
            return self._fitting(ready, request)
        except FileNotFoundError:
            log.error("a listed file is missing", url=request.url.decode("ascii", "replace"))
            return failure(NotFound("This file is not here."), request.method)
        except QuartersError as error:
            return failure(error, request.method)

    async def _look_up(self, url: bytes) -> _Ready:
        moment, what = self._public.moment, asked(url)
        found = await self._directory.find(what)
        if self._accel is not None and isinstance(found, Stored):
            self._show(moment, what, found)
        return _Ready(found, reply(found, b"GET", (), self._accel))

    def _show(self, moment: int, what: Asked, found: Stored) -> None:
        """Let the front find the file without asking, where clients ask for it and for as long as they may keep it."""
        if what.snapshot is None and found.cache == FOR_EVER:
            place = what.repository
        elif what.snapshot is not None and found.cache == ASK_AGAIN:
            place = f"{what.repository}@{what.snapshot}"
        else:  # would need other headers than what lies beside it
            return
        self._public.put(moment, place, what.arch, what.file, Path(found.file.path))

    def _fitting(self, ready: _Ready, request: Request) -> Reply:
        if request.method == b"GET" and _CONDITIONS.isdisjoint([name for name, _ in request.headers]):
            return ready.plain
        return reply(ready.found, request.method, request.headers, self._accel)
