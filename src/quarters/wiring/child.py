"""Keeps a child process running: one that ends is started again, after a while that grows."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_STEADY = 60.0
"""Seconds after which a child that ends counts as one that worked until then."""
GRACE = 10.0
"""Seconds that it gets to end when it is told to."""


@asynccontextmanager
async def kept_alive(name: str, command: Sequence[str], grace: float | None = GRACE) -> AsyncIterator[None]:
    """Meanwhile, have `command` run; afterwards it has ended, by force after `grace` seconds, if there is such a time.

    An OSError says why it cannot be started at all.
    """
    started = asyncio.Event()
    task = asyncio.create_task(_keep(name, command, grace, started), name=name)
    starting = asyncio.create_task(started.wait())
    try:
        await asyncio.wait({task, starting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield
    finally:
        starting.cancel()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep(name: str, command: Sequence[str], grace: float | None, started: asyncio.Event) -> None:
    log = structlog.get_logger("child")
    clock = asyncio.get_running_loop().time
    pause = _FIRST_PAUSE
    while True:
        began = clock()
        child = await asyncio.create_subprocess_exec(
            # In a group of its own, so that Ctrl-C is told to the parent alone, who passes it on.
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            process_group=0,
        )
        started.set()
        try:
            code = await child.wait()
        finally:
            await _ended(child, grace)
        if clock() - began >= _STEADY:
            pause = _FIRST_PAUSE
        log.warning("child ended", child=name, code=code, again_in=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


async def _ended(child: asyncio.subprocess.Process, grace: float | None) -> None:
    if child.returncode is not None:
        return
    child.terminate()
    try:
        async with asyncio.timeout(grace):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
