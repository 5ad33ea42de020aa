"""Ending a program that we started, and with it everything that it started in its session."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable
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


class TooMuch(Exception):
    """A program printed more than anybody wants to hold in memory."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


async def feed(stream: asyncio.StreamWriter | None, data: bytes) -> None:
    """Write `data` to a program and close; one that does not read to the end is no error."""
    if stream is not None:
        with suppress(BrokenPipeError, ConnectionResetError):
            stream.write(data)
            await stream.drain()
        stream.close()


async def read(stream: asyncio.StreamReader | None, limit: int) -> bytes:
    """All that a program prints; TooMuch past `limit` bytes."""
    data = bytearray()
    while stream is not None and (chunk := await stream.read(1 << 16)):
        data += chunk
        if len(data) > limit:
            raise TooMuch(limit)
    return bytes(data)


async def lines(stream: asyncio.StreamReader, longest: int) -> AsyncIterator[bytes]:
    """What a program prints, line by line; of a line longer than `longest` only its begin can be relied on."""
    rest = b""
    while piece := await stream.read(1 << 16):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line
        rest = rest[:longest]
    if rest:
        yield rest


async def together(*work: Awaitable[Any]) -> list[Any]:
    """The results of all; when one fails, its error, once none of the others runs any more."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
