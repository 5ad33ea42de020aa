"""Carries connections from a socket that listens in one network to a place in the builder's own."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from quarters.builder.local import Place

_PIECE = 256 << 10


@asynccontextmanager
async def between(listening: socket.socket, place: Place) -> AsyncIterator[None]:
    """Meanwhile, whoever connects to `listening` is connected to `place`; in the end nobody is any more."""
    connections: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        connections.add(task)
        try:
            with suppress(OSError):
                await _carried(reader, writer, place)
        finally:
            writer.close()
            connections.discard(task)

    server = await asyncio.start_server(carry, sock=listening)
    try:
        yield
    finally:
        server.close()
        left = list(connections)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: Place) -> None:
    there, back = await asyncio.open_connection(*place)
    try:
        await asyncio.gather(_pumped(reader, back), _pumped(there, writer))
    finally:
        back.close()


async def _pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
    writer.write_eof()
