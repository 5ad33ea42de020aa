"""Five hundred followers of one log that grows fast: how late they learn of it, and what that costs the server."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.claimed import PATIENT, Claimed, claimed
from benchmarks.running import Server, resident, scratch, server
from benchmarks.table import Row
from quarters.model.build import Outcome, Reason
from quarters.protocol.builds import Finish, LeaseKey

FOLLOWERS = 500
RATE = 10_000_000
SECONDS = 20
_PIECE = 1_000_000
_LINE = 100


class Seen(NamedTuple):
    """Seconds that the last follower was behind at most, and bytes by which the server's memory grew."""

    late: float
    grown: int


def rows() -> list[Row]:
    """One log of 200 MB within 20 seconds."""
    limit = str(2 * RATE * SECONDS)
    with scratch() as folder, server(folder, **PATIENT, QUARTERS_SCHEDULER__LOG_LIMIT=limit) as quarters:
        seen = asyncio.run(_followed(quarters, folder))
    what = f"{FOLLOWERS} followers of a log that grows by {RATE // 1_000_000} MB/s"
    grown = seen.grown / 1e6
    return [
        Row(f"{what}: lag", seen.late, "s", goal="< 1 s", met=seen.late < 1),
        Row(f"{what}: memory of the server", grown, "MB", goal="< 100 MB", met=grown < 100),
    ]


async def _followed(quarters: Server, folder: Path) -> Seen:
    async with claimed(quarters, folder) as work:
        url = f"{quarters.connection.url}/api/v1/builds/{work.build.build}/log/stream"
        command = [sys.executable, "-m", "benchmarks.followers", url, str(FOLLOWERS)]
        followers = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        assert followers.stdout is not None
        await followers.stdout.readline()
        before = resident(quarters.process)
        most = await _write(work, quarters.process)
        ended = time.time()
        await work.client.work.finish(LeaseKey.of(work.build), _FAILED)
        told = json.loads(await followers.stdout.readline())
        await followers.wait()
    if told["least"] < RATE * SECONDS:
        raise RuntimeError("a follower did not get all of the log")
    return Seen(max(told["late"], told["ended"] - ended), most - before)


_FAILED = Finish(outcome=Outcome.FAILED, steps=(), reason=Reason.BUILD_FAILED)


async def _write(work: Claimed, process: int) -> int:
    """Send the log at the chosen pace; returns the most memory that the server had meanwhile."""
    clock = asyncio.get_running_loop().time
    began, sent, number, most = clock(), 0, 0, 0
    while sent < RATE * SECONDS:
        await asyncio.sleep(max(0.0, began + sent / RATE - clock()))
        lines = range(number, number + _PIECE // _LINE)
        number = lines.stop
        now = f"{time.time():.6f}"
        data = "".join(f"{now} {line:09} {'x' * (_LINE - 29)}\n" for line in lines).encode()
        sent = (await work.client.work.append_log(LeaseKey.of(work.build), sent, data)).size
        most = max(most, resident(process))
    return most
