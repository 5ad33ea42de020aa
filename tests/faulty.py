"""A TCP proxy that cuts connections after a random number of bytes and holds pieces back."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class FaultyLink:
    """A way to the server at `port`; each connection lives for at most `life` bytes, if that is not 0."""

    port: int
    life: int
    delay: float = 0.002
    chance: random.Random = field(default_factory=lambda: random.Random(20261121))
    url: str = ""
    cuts: int = 0
    open: bool = True
    """Whether anything gets through at all."""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Break all connections at once."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes, for a while."""
        if not self.open:
            writer.transport.abort()
            return
        there_reader, there = await asyncio.open_connection("127.0.0.1", self.port)
        both = {writer, there}
        self._writers |= both
        left = [self.chance.randrange(self.life) if self.life else -1]
        ways = [self._pass(reader, there, left), self._pass(there_reader, writer, left)]
        await asyncio.wait([asyncio.create_task(way) for way in ways], return_when=asyncio.FIRST_COMPLETED)
        self._writers -= both
        for it in both:
            it.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: list[int]
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 14):
                await asyncio.sleep(self.chance.uniform(0, self.delay))
                if self.life and left[0] < len(data):
                    # Some of it arrives.
                    writer.write(data[: left[0]])
                    self.cuts += 1
                    return
                left[0] -= len(data)
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def faulty(url: str, life: int) -> AsyncIterator[FaultyLink]:
    """Such a proxy in front of the server at `url`."""
    link = FaultyLink(int(url.rpartition(":")[2]), life)
    server = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    link.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield link
    finally:
        server.close()
        link.cut()
