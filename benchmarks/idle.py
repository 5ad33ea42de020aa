"""What a server and two builders cost while there is nothing to do: processor time and memory, as the kernel counts."""

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks import trivial
from benchmarks.running import Up, builder, demand, scratch, up
from benchmarks.table import Row
from quarters.model.token import Scope
from quarters.protocol.client import Client
from quarters.protocol.resources import NewToken

_SECONDS = 60.0
_SETTLING = 10.0
_SECOND = "second"
_CPU_GOAL = 0.5
_MEMORY_GOAL = 200


def rows() -> list[Row]:
    """A minute of idling after a source was read and a package built, so that nothing is still to be loaded."""
    demand("bwrap", "git", "makepkg", "fakeroot")
    with scratch() as folder:
        trivial.write_recipe(folder / "tree" / "trivial", "trivial")
        trivial.commit(folder / "tree")
        with up(folder) as server:
            secret = asyncio.run(_worked(server, folder))
            with builder(server, _SECOND, secret, folder) as second:
                asyncio.run(_awaited(server))
                time.sleep(_SETTLING)
                processes = (server.process, *_children(server.process), second)
                began, before = time.monotonic(), _cpu(processes)
                time.sleep(_SECONDS)
                lasted, spent = time.monotonic() - began, _cpu(processes) - before
                resident, shared_out = (_memory(processes, kind) for kind in ("Rss", "Pss"))
    share = 100 * spent / lasted
    return [
        Row(
            "idle, server and two builders",
            share,
            "% of a core",
            goal=f"< {_CPU_GOAL} %",
            met=share < _CPU_GOAL,
        ),
        Row("their processor time", spent * 60 / lasted, "s/min"),
        Row("their memory", resident, "MB", goal=f"< {_MEMORY_GOAL} MB", met=resident < _MEMORY_GOAL),
        Row("what they share counted once", shared_out, "MB"),
    ]


async def _worked(server: Up, folder: Path) -> str:
    """Have something built, and make the token of a second builder."""
    async with Client(server.connection.url, server.connection.token) as client:
        repository, arch = await trivial.follow(client, folder / "tree")
        await trivial.build(client, repository, arch, "trivial")
        return (await client.tokens.create(NewToken(name=_SECOND, scope=Scope.BUILDER))).secret


async def _awaited(server: Up) -> None:
    async with Client(server.connection.url, server.connection.token) as client, asyncio.timeout(30):
        while len((await client.builders.list()).items) < 2:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.1)


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _cpu(processes: Iterable[int]) -> float:
    """Seconds that the processes, and those of their children that have ended, used so far (proc(5), fields 14 to 17)."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory(processes: Iterable[int], kind: str) -> float:
    """Megabytes (10^6) by the kernel's own sums."""
    kilobytes = 0
    for process in processes:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                kilobytes += int(line.split()[1])
    return kilobytes * 1024 / 1e6
