"""A log that is longer than the memory that anybody has for it."""

import asyncio
import re
from pathlib import Path

from tests.system.farm import QUARTERS, commit, farm_in, happened, opened, recipe

SIZE = 120 << 20
ROOM = 48 << 20
"""Bytes by which the memory of a process may grow meanwhile."""
TALKATIVE = f"build() {{ yes 'ninety-nine bottles of beer on the wall' | head -c {SIZE}; }}"


def most(process: int) -> int:
    """Bytes of memory that a process ever had (proc(5), VmHWM)."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) << 10


async def test_a_long_log_costs_nobody_memory(folder: Path) -> None:
    recipe(folder / "tree", "quiet")
    recipe(folder / "tree", "talk", TALKATIVE, depends="quiet")
    commit(folder / "tree")
    limits = {"QUARTERS_BUILDER__LOG_LIMIT": str(1 << 30), "QUARTERS_SCHEDULER__LOG_LIMIT": str(1 << 30)}
    with farm_in(folder, limits) as farm:
        async with opened(farm, folder / "tree") as client:
            processes = [farm.serving, await farm.builder("anvil")]
            running = await happened(client, "build.running", pkgbase="talk")
            before = [most(process.pid) for process in processes]
            await happened(client, "build.succeeded", pkgbase="talk")
            assert [most(it.pid) - was < ROOM for it, was in zip(processes, before, strict=True)] == [
                True,
                True,
            ]
            for options in ([], ["--follow"]):
                reading = await asyncio.create_subprocess_exec(
                    *(*QUARTERS, "log", running.subject, *options),
                    env=farm.environ,
                    stdout=asyncio.subprocess.PIPE,
                )
                assert reading.stdout is not None
                size = peak = 0
                while piece := await reading.stdout.read(1 << 20):
                    size += len(piece)
                    if size < SIZE:  # it still lives
                        peak = max(peak, most(reading.pid))
                assert await reading.wait() == 0
                assert SIZE < size < SIZE + 10_000
                assert peak < 2 * ROOM
            assert most(farm.serving.pid) - before[0] < ROOM
