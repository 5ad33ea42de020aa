"""Answers that go on: event streams and long polls that end at once when the server stops."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from litestar import Request
from litestar.response import Stream

from quarters.protocol import streams
from quarters.storage.wakeups import Wakeups

T = TypeVar("T")

KEEP_ALIVE = 5.0
"""Seconds after which a silent stream says that it is still there; also how often its rows are looked at anyway."""


class Streams:
    """Waits on behalf of all open answers, until it is closed."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups
        self._awaited: Counter[str] = Counter()
        self._stopped = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether the server stops."""
        return self._stopped.is_set()

    def mark(self, topic: str) -> int:
        """A point in time to wait from."""
        return self._wakeups.mark(topic)

    async def wait(self, topic: str, mark: int) -> bool:
        """Wait for a notification since `mark`; False when nothing came for so long that a sign of life is due."""
        if self.closed:
            return True
        self._awaited[topic] += 1
        try:
            return await self._wakeups.wait(topic, mark, KEEP_ALIVE)
        finally:
            self._awaited[topic] -= 1
            if not self._awaited[topic]:
                del self._awaited[topic]

    async def answer(self, request: Request[Any, Any, Any], poll: Coroutine[Any, Any, T], nothing: T) -> T:
        """What a long poll brings, or `nothing` as soon as the server stops or the client has hung up."""
        waits = [asyncio.create_task(wait) for wait in (poll, _gone(request), self._stopped.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            first: asyncio.Task[Any] = waits[0]
            return first.result() if first.done() else nothing
        finally:
            for wait in waits:
                wait.cancel()

    def close(self) -> None:
        """End everything that waits, now and from now on."""
        self._stopped.set()
        self._wakeups.notify(*self._awaited)


async def _gone(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def event_stream(events: AsyncIterator[bytes]) -> Stream:
    """An answer of server-sent events that no proxy may hold back."""
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return Stream(events, media_type=streams.MEDIA_TYPE, headers=headers)
