"""Calls that outlast a server that restarts."""

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


async def persistently(
    call: Callable[[], Awaitable[T]], patience: float = math.inf, longest: float = _LONGEST
) -> T:
    """Repeat `call` until the server answers; after `patience` seconds without an answer the lease counts as lost.

    About `longest` seconds pass between two tries at most: a server that is back waits for three heartbeats only.

    The server may give the build to somebody else after three heartbeats, but whether it did only it can say: to go
    on costs this machine some work, to stop could cost hours of it.
    """
    clock = asyncio.get_running_loop().time
    deadline, delay = clock() + patience, min(_FIRST, longest)
    while True:
        try:
            return await call()
        except AWAY as error:
            if clock() + delay > deadline:
                raise LeaseLost(f"The server did not answer for {patience:.0f} s.") from error
        await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 (jitter)
        delay = min(2 * delay, longest)
