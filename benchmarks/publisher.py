"""Publishes package files with a server's own publisher: `python -m benchmarks.publisher FOLDER`.

Reads a JSON list of lists of paths; those of one list are published side by side. Prints the seconds that each list
took, and the most memory that the process had.
"""

import asyncio
import gc
import resource
import sys
from pathlib import Path
from time import perf_counter

import msgspec

from benchmarks.stock import NAME, settings
from quarters.server.settings import ServerSettings
from quarters.wiring.server import running


class Result(msgspec.Struct, frozen=True):
    """Seconds that each publish took, and the process's highest memory in bytes."""

    seconds: list[float]
    memory: int


async def publish(folder: Path, groups: list[list[str]]) -> Result:
    """Publish group after group, each as fast as it goes."""
    config = msgspec.structs.replace(settings(folder), server=ServerSettings(port=0))
    seconds = []
    async with running(config) as server:
        for group in groups:
            gc.collect()
            began = perf_counter()
            await asyncio.gather(
                *(
                    server.services.publisher.upload(NAME, path.name, path, "bench")
                    for path in map(Path, group)
                )
            )
            seconds.append(perf_counter() - began)
    return Result(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=list[list[str]])
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(publish(Path(sys.argv[1]), asked))))
