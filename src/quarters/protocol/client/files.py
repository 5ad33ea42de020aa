"""Files as streams of bytes, read without holding up the event loop."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

_PIECE = 1 << 20


async def pieces(path: Path, offset: int = 0) -> AsyncIterator[bytes]:
    """The content of a file from `offset` on, a megabyte at a time."""
    with path.open("rb") as file:
        file.seek(offset)
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece


async def store(chunks: AsyncIterator[bytes], path: Path) -> None:
    """Write what comes to `path`."""
    with path.open("wb") as file:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)
