"""Logs that are followed: each is looked at, read and made ready for sending once, however many follow it."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from quarters.model.build import TERMINAL, State
from quarters.protocol.streams import KEEP_ALIVE, LogPlace, StreamEvent, encode
from quarters.scheduler.builds import Builds
from quarters.server.files.found import OpenFile
from quarters.server.files.reply import Part
from quarters.server.streams import Streams
from quarters.storage.wakeups import Topic

_PIECE = 1 << 20
"""Most bytes of a log in one chunk."""
_EVENT = 64 << 10
"""Most bytes of a log in one event."""
_LONGEST_LINE = _EVENT
"""Bytes after which a line is shown before it ends."""
_KEPT = 8
"""Pieces of a log that are kept for followers who are a little behind; the others read them again."""
_PACE = 0.1
"""Seconds that output is gathered: without that, a fast log would wake all who follow it for every few bytes."""

Send = Callable[[Part], Awaitable[None]]


class Piece(NamedTuple):
    """Events of a log as a chunk (RFC 9112, 7.1) in a file without a name, and the place in the log after them."""

    place: LogPlace
    chunk: Part
    head: int
    """Bytes of the chunk before the events; behind them there are two."""

    def events(self) -> bytes:
        """The events themselves."""
        length = self.chunk.length - self.head - 2
        return os.pread(self.chunk.file.fileno(), length, self.head)


class _Look(NamedTuple):
    """What the build said; each one is another one."""

    number: int
    state: State
    attempt: int


class Tails:
    """The logs that somebody follows."""

    def __init__(self, builds: Builds, streams: Streams) -> None:
        self._builds = builds
        self._streams = streams
        self._tails: dict[int, _Tail] = {}

    async def follow(self, build: int, place: LogPlace, send: Send | None) -> AsyncIterator[bytes]:
        """The events from `place` on, over attempts, until the build is over.

        Where there is `send`, an event of the log is sent by that and not yielded: nothing of it is copied for each
        follower, and what one does not take at once stays in the kernel.
        """
        yield KEEP_ALIVE
        with self._shared(build) as tail:
            try:
                async for piece in tail.follow(place):
                    if isinstance(piece, bytes):
                        yield piece
                    elif send is None:
                        yield piece.events()
                    else:
                        await send(piece.chunk)
            except ConnectionError:
                return  # nobody listens any more

    @contextmanager
    def _shared(self, build: int) -> Iterator["_Tail"]:
        tail = self._tails.get(build)
        if tail is None:
            tail = self._tails[build] = _Tail(self._builds, self._streams, build)
        tail.followers += 1
        try:
            yield tail
        finally:
            tail.followers -= 1
            if not tail.followers:
                tail.close()
                del self._tails[build]


class _Tail:
    """The log of one build, with a task that looks after it."""

    def __init__(self, builds: Builds, streams: Streams, build: int) -> None:
        self.followers = 0
        self._builds = builds
        self._streams = streams
        self._build = build
        self._latest = _NOTHING
        self._changed = asyncio.Event()
        self._kept: OrderedDict[LogPlace, Piece] = OrderedDict()
        self._reading: dict[tuple[LogPlace, int], asyncio.Task[Piece | None]] = {}
        self._looking = asyncio.create_task(self._look_after())

    def close(self) -> None:
        """Nobody follows any more."""
        for task in (self._looking, *self._reading.values()):
            task.cancel()

    async def follow(self, place: LogPlace) -> AsyncIterator[Piece | bytes]:
        """The pieces from `place` on, signs of life, and the end."""
        look = await self._newer(_NOTHING)
        while not self._streams.closed:
            over = look.state in TERMINAL or look.attempt > place.attempt
            piece = await self._piece(place, look, over=over)
            if piece is not None:
                place = piece.place
                yield piece
            elif look.attempt > place.attempt:
                place = LogPlace(place.attempt + 1, 0)
            elif over:
                yield encode(StreamEvent("end", look.state))
                return
            else:
                yield KEEP_ALIVE
                look = await self._newer(look)

    async def _newer(self, look: _Look) -> _Look:
        """A look that began after `look` did."""
        while self._latest.number == look.number and not self._streams.closed:
            await self._changed.wait()
            if self._looking.done():
                self._looking.result()  # what it failed of
        return self._latest

    async def _look_after(self) -> None:
        topic = Topic.log(self._build)
        try:
            while not self._streams.closed:
                mark = self._streams.mark(topic)
                # What the build says is read before its log: after that an ended attempt's log grows no more.
                now = await self._builds.show(self._build)
                self._latest = _Look(self._latest.number + 1, now.state, now.attempt)
                self._wake()
                await self._streams.wait(topic, mark)
                await asyncio.sleep(_PACE)
        finally:
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _piece(self, place: LogPlace, look: _Look, *, over: bool) -> Piece | None:
        """What follows `place`; None where that is nothing that could be shown at that `look`."""
        if kept := self._kept.get(place):
            return kept
        key = (place, look.number)
        if key not in self._reading:
            self._reading[key] = asyncio.create_task(self._read(place, over=over))
            self._reading[key].add_done_callback(lambda _: self._reading.pop(key))
        return await asyncio.shield(self._reading[key])

    async def _read(self, place: LogPlace, *, over: bool) -> Piece | None:
        read = await self._builds.log(self._build, place.attempt, place.offset, _PIECE)
        shown = whole_lines(read, over=over)
        if not shown:
            return None
        piece = _piece(LogPlace(place.attempt, place.offset + len(shown)), shown)
        self._kept[place] = piece
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return piece


_NOTHING = _Look(0, State.WAITING, 0)


def whole_lines(piece: bytes, *, over: bool) -> bytes:
    """The part of `piece` that can be shown: up to its last line end, all of it when no more comes or a line is endless."""
    end = piece.rfind(b"\n") + 1
    if over or (end == 0 and len(piece) >= _LONGEST_LINE):
        # A character that is cut in two shows as two replacement characters; this only happens to endless lines.
        return piece if len(piece) < _PIECE or end == 0 else piece[:end]
    return piece[:end]


def _events(place: LogPlace, shown: bytes) -> Iterator[bytes]:
    """What is shown before `place`, in events so small that some arrive whole over a link that breaks soon."""
    begin, start = place.offset - len(shown), 0
    while start < len(shown):
        end = shown.rfind(b"\n", start, start + _EVENT) + 1 or min(start + _EVENT, len(shown))
        text = shown[start:end].decode(errors="replace")
        yield encode(StreamEvent("log", text, str(LogPlace(place.attempt, begin + end))))
        start = end


def _piece(place: LogPlace, shown: bytes) -> Piece:
    events = list(_events(place, shown))
    size = sum(map(len, events))
    head = b"%x\r\n" % size
    descriptor = os.memfd_create("log", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.writelines((head, *events, b"\r\n"))
        chunk = Part(OpenFile(f"/proc/self/fd/{descriptor}"), 0, len(head) + size + 2)
    finally:
        os.close(descriptor)
    return Piece(place, chunk, len(head))
