"""A server with more than a thousand connections, most of them idle or slow: its memory stays, and others are served."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.press import package
from tests.system.farm import REPOSITORY, Farm, opened

IDLE, SLOW = 1200, 200
SIZE = 8 << 20
MORE = 64 << 20
"""Bytes that the server may take for all of them; buffers of whole files would be 1.6 GB."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(autouse=True)
def _descriptors() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 2 * (IDLE + SLOW):
        pytest.skip(f"this system allows {most} open files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def memory(farm: Farm) -> int:
    """Bytes that the server has in memory now."""
    status = Path(f"/proc/{farm.serving.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) * 1024


async def asked(farm: Farm, path: str, *, limit: int = 1 << 16) -> Stream:
    """A connection on which a file was asked for."""
    reader, writer = await asyncio.open_connection(*farm.url.removeprefix("http://").split(":"), limit=limit)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    return reader, writer


async def answered(stream: Stream) -> bytes:
    """The whole answer; the connection stays."""
    head = await stream[0].readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    lines = dict(line.lower().split(b": ", 1) for line in head.strip().split(b"\r\n")[1:])
    return await stream[0].readexactly(int(lines[b"content-length"]))


@contextlib.asynccontextmanager
async def connections(farm: Farm, path: str, count: int, limit: int) -> AsyncIterator[list[Stream]]:
    """So many connections on which `path` was asked for, and nothing read yet."""
    streams: list[Stream] = []
    try:
        while len(streams) < count:
            streams += await asyncio.gather(*(asked(farm, path, limit=limit) for _ in range(100)))
        yield streams
    finally:
        for _, writer in streams:
            writer.transport.abort()


async def test_idle_and_slow_clients_cost_little_memory_and_hold_nobody_up(farm: Farm) -> None:
    noise = "".join(sha256(str(number).encode()).hexdigest() for number in range(SIZE // 32))
    large, small = package("large", text=noise), package("small")
    async with opened(farm):
        for made in (large, small):
            (farm.folder / made.file_name).write_bytes(made.content)
            await asyncio.to_thread(
                farm.run, "repo", "publish", REPOSITORY, str(farm.folder / made.file_name)
            )
        paths = [f"/repo/{REPOSITORY}/x86_64/{made.file_name}" for made in (large, small)]
        for path, made in zip(paths, (large, small), strict=True):
            stream = await asked(farm, path)
            assert await answered(stream) == made.content
            stream[1].transport.abort()
        before = memory(farm)
        async with (
            connections(farm, paths[1], IDLE, 1 << 16) as idle,
            connections(farm, paths[0], SLOW, 1) as slow,
            asyncio.timeout(60),
        ):
            for stream in idle:
                assert await answered(stream) == small.content
            begun = [await reader.readexactly(1) for reader, _ in slow]
            assert set(begun) == {b"H"}
            # Others are served meanwhile, on old connections and on new ones, and all the slow ones go on.
            idle[0][1].write(f"GET {paths[1]} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            assert await answered(idle[0]) == small.content
            fresh = await asked(farm, paths[0])
            assert await answered(fresh) == large.content
            fresh[1].transport.abort()
            for reader, _ in slow:
                await reader.readexactly(4096)
            assert memory(farm) - before < MORE
        stream = await asked(farm, paths[1])
        assert await answered(stream) == small.content
        stream[1].transport.abort()
