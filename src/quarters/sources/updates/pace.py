"""Asking others politely: so many at once, and none too soon after the one before."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Pace:
    """At most `at_once` side by side, whose beginnings lie `delay` seconds apart."""

    def __init__(self, at_once: int, delay: float) -> None:
        self._turn = asyncio.Semaphore(max(1, at_once))
        self._begin = asyncio.Lock()
        self._delay = delay
        self._next = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn."""
        async with self._turn:
            async with self._begin:
                clock = asyncio.get_running_loop().time
                if (wait := self._next - clock()) > 0:
                    await asyncio.sleep(wait)
                self._next = clock() + self._delay
            yield
