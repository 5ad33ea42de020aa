"""Limits where the kernel keeps to none: a build's own processes are looked at, and what they have open."""

import asyncio
import os
from pathlib import Path

import pytest

from quarters.builder.cgroups import MEMORY, Group
from quarters.builder.disk import DiskWatch
from quarters.builder.failure import BuildFailed
from quarters.builder.limits import Limits
from quarters.builder.watchdog import Watchdog
from quarters.model.build import Reason

MIB = 1 << 20
PATIENCE = 30.0


async def ran(command: str, limits: Limits, folder: Path) -> int:
    """How a shell command ended that a watchdog without control groups looked after."""
    watchdog = Watchdog(limits, Group({}, unified=False), folder)
    process = await asyncio.create_subprocess_shell(command, cwd=folder)
    watchdog.follow(process.pid)
    try:
        async with asyncio.timeout(PATIENCE):
            return await watchdog.over(process.wait())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def reason(command: str, limits: Limits, folder: Path) -> Reason:
    """Why it was ended."""
    with pytest.raises(BuildFailed) as failed:
        await ran(command, limits, folder)
    return failed.value.reason


async def test_memory_of_all_processes_together_is_limited(tmp_path: Path) -> None:
    hog = """exec perl -e 'fork; $x = "x" x 60_000_000; sleep 20'"""
    assert await reason(hog, Limits(memory=100 * MIB), tmp_path) is Reason.OUT_OF_MEMORY


async def test_a_build_that_ran_out_of_memory_is_known_to_need_all_that_it_had(tmp_path: Path) -> None:
    group = Group({MEMORY: tmp_path}, unified=True)
    watchdog = Watchdog(Limits(memory=100 * MIB), group, tmp_path)
    (tmp_path / "memory.events").write_text("oom_kill 1\n")
    with pytest.raises(BuildFailed):
        await watchdog.over(asyncio.sleep(0))
    assert watchdog.most_memory == 100 * MIB


async def test_what_forks_share_counts_once(tmp_path: Path) -> None:
    forks = """exec perl -e '$x = "x" x 60_000_000; fork; fork; select undef, undef, undef, 1'"""
    assert await ran(forks, Limits(memory=200 * MIB), tmp_path) == 0


async def test_processes_and_threads_are_limited(tmp_path: Path) -> None:
    many = "for number in $(seq 30); do sleep 20 & done; wait"
    assert await reason(f"exec bash -c '{many}'", Limits(processes=20), tmp_path) is Reason.TOO_MANY_PROCESSES
    assert await ran("true & true & wait", Limits(processes=20), tmp_path) == 0


async def test_disk_is_limited_whether_files_have_names_or_not(tmp_path: Path) -> None:
    limits = Limits(disk=20 * MIB)
    fill = "while head -c 10000000 /dev/zero >&3; do sleep 0.02; done"
    for name, opened in (
        ("named", "exec 3>big"),
        ("nameless", "exec 3>big; rm big"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        assert await reason(f"{opened}; {fill}", limits, folder) is Reason.DISK_FULL
    # What a build fills is no sign that the machine is full.
    with pytest.raises(BuildFailed) as failed:
        await ran(f"exec 3>more; {fill}", limits, tmp_path)
    assert not failed.value.machine_full
    small = "rm more; head -c 10000000 /dev/zero >small; sleep 0.6"
    assert await ran(small, limits, tmp_path) == 0


async def test_a_disk_that_was_full_before_the_build_is_told_from_one_that_became_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = os.statvfs(tmp_path)
    full = [0]

    def statvfs(_: object) -> os.statvfs_result:
        fields = list(there)
        fields[3:5] = [0, 0] if full[0] else fields[3:5]
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "statvfs", statvfs)
    told = []
    for before in (1, 0):
        full[0] = before
        watch = DiskWatch(tmp_path, 0)
        full[0] = 1
        with pytest.raises(BuildFailed) as failed:
            await watch.look(list)
        told.append(failed.value.machine_full)
    assert told == [True, False]
