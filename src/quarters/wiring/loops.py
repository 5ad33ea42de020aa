"""Runs the loops of a process: one that dies is logged and started again, after a while that grows.

Only where the database cannot be used, which is told in a sentence, the while stays short: it may be back at any moment.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from quarters.model.errors import Unavailable

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_STEADY = 300.0
"""Seconds after which a loop that dies counts as one that worked until then."""


async def kept_running(
    name: str, loop: Callable[[], Awaitable[None]], fatal: tuple[type[Exception], ...] = ()
) -> None:
    """Run `loop` until cancelled, or until it raises something `fatal`."""
    log = structlog.get_logger("loop")
    clock = asyncio.get_running_loop().time
    pause = _FIRST_PAUSE
    while True:
        began = clock()
        try:
            await loop()
            log.error("loop ended", loop=name, again_in=pause)
        except fatal:
            raise
        except Exception as error:
            if away := _away(error):
                log.warning("loop waits", loop=name, error=away)
                await asyncio.sleep(_FIRST_PAUSE)
                continue
            log.exception("loop died", loop=name, again_in=pause)
        if clock() - began >= _STEADY:
            pause = _FIRST_PAUSE
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _away(error: Exception) -> str:
    """The sentence that says that the database cannot be used; "" if that is not all that is wrong."""
    if isinstance(error, ExceptionGroup):
        _, others = error.split(Unavailable)
        return "" if others is not None else _away(error.exceptions[0])
    return str(error) if isinstance(error, Unavailable) else ""
