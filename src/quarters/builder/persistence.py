"""Calls that outlast a server that restarts, and links that break."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from quarters.model.errors import LeaseLost, ServerUnreachable, Unavailable

T = TypeVar("T")

AWAY = (ServerUnreachable, Unavailable)
"""What the server's absence looks like; any other error is an answer."""
_FIRST = 0.2
_LONGEST = 15.0


class OutOfPatience(LeaseLost):
    """The server did not answer for so long that the lease counts as lost."""


class Patience:
    """Pauses between tries, longer each time, until `seconds` went by in which nothing was achieved."""

    def __init__(self, seconds: float, longest: float = _LONGEST) -> None:
        """About `longest` seconds pass between two tries at most."""
        self._seconds = seconds
        self._longest = longest
        self._clock = asyncio.get_running_loop().time
        self.restore()

    def restore(self) -> None:
        """A try achieved something."""
        self._deadline = self._clock() + self._seconds
        self._pause = min(_FIRST, self._longest)

    async def pause(self) -> None:
        """Wait until the next try; OutOfPatience where there is to be none."""
        if self._clock() + self._pause > self._deadline:
            raise OutOfPatience(f"The server did not answer for {self._seconds:.0f} s.")
        await asyncio.sleep(self._pause * random.uniform(0.5, 1.5))  # noqa: S311 (jitter)
        self._pause = min(2 * self._pause, self._longest)


async def persistently(
    call: Callable[[], Awaitable[T]], patience: float = math.inf, longest: float = _LONGEST
) -> T:
    """Repeat `call` until the server answers; OutOfPatience after `patience` seconds without an answer.

    About `longest` seconds pass between two tries at most: a server that is back waits for three heartbeats only.

    The server may give the build to somebody else after three heartbeats, but whether it did only it can say: to go
    on costs this machine some work, to stop could cost hours of it.
    """
    left = Patience(patience, longest)
    while True:
        try:
            return await call()
        except AWAY as error:
            away = error
        try:
            await left.pause()
        except OutOfPatience as over:
            raise over from away
