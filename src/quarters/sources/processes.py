"""Ending a program that we started, and with it everything that it started in its session."""

import asyncio
import os
import signal
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of the session that `process` leads, and wait until it is gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # asyncio counts a process as ended only when its pipes are; one that nobody reads never ends.
    for stream in (process.stdout, process.stderr):
        while stream is not None and await stream.read(1 << 16):
            pass
    await process.wait()


async def together(*work: Awaitable[Any]) -> list[Any]:
    """The results of all; when one fails, its error, once none of the others runs any more."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
