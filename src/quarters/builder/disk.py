"""How much of the disk an attempt holds, looked at only when the disk has become fuller."""

import asyncio
import os
from collections.abc import Callable, Collection
from pathlib import Path

from quarters.builder import processes
from quarters.builder.cleanup import to_the_end
from quarters.builder.failure import BuildFailed
from quarters.builder.workspace import PATH
from quarters.model.build import Reason
from quarters.model.size import Size

_PART = 8
"""After how much of what may still be written, the last part of which is written fast, is looked again."""
_LEAST = 1 << 20
_LEFT_BYTES = 1 << 30
_LEFT = 0.01
"""The part of the disk, but no more than the bytes above, and of its inodes, that no build may use up."""


class DiskWatch:
    """Watches what `folder` holds together with files that the build has open and removed; `limit` is in bytes.

    A folder with a million files takes seconds to go through. So first the file system is asked how much is free, which
    costs nothing; only if that fell by a part of what the build may still write, it is looked where it went.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.beside: Collection[Path] = ()
        """Folders elsewhere that the build may write to, too."""
        self._folder = folder
        self._limit = limit
        self._held = 0
        self._free = _free(folder)
        # What a build fills is free again once it has ended; what was full before it began is the builder's trouble.
        self._was_full = _is_full(folder)

    async def look(self, processes_of_build: Callable[[], Collection[int]]) -> None:
        """BuildFailed once the limit is passed, or the disk is full, whoever filled it."""
        if _is_full(self._folder):
            raise BuildFailed(Reason.DISK_FULL, "The builder's disk is full.", machine_full=self._was_full)
        room = self._limit - self._held
        if not self._limit or self._free - _free(self._folder) < max(_LEAST, room // _PART):
            return
        self._free = _free(self._folder)
        build = processes_of_build()
        open_files = await asyncio.to_thread(processes.unlinked, build, _devices(self._folder, build))
        self._held = open_files + sum([await held(it) for it in (self._folder, *self.beside)])
        if self._held > self._limit:
            raise BuildFailed(Reason.DISK_FULL, f"The build wrote more than its {Size(self._limit)} of disk.")


def _is_full(folder: Path) -> bool:
    state = os.statvfs(folder)
    left = min(_LEFT_BYTES, int(state.f_blocks * state.f_frsize * _LEFT))
    return _free(folder) < left or bool(state.f_files and state.f_favail < state.f_files * _LEFT)


def _free(folder: Path) -> int:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def _devices(folder: Path, build: Collection[int]) -> set[int]:
    # An overlay's files bear its own number, or that of the file system where they really are.
    found = {folder.stat().st_dev}
    for process in build:
        for name in ("root", "root/usr"):
            try:
                found.add(os.stat(f"/proc/{process}/{name}").st_dev)
            except OSError:
                continue
    return found


async def held(folder: Path) -> int:
    """Bytes of the disk that `folder` and all in it take."""
    process = await asyncio.create_subprocess_exec(
        "du", "--summarize", "--block-size=1", "--one-file-system", "--", str(folder),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": PATH},
    )  # fmt: skip
    try:
        said, _ = await process.communicate()
    finally:
        await to_the_end(_ended(process))
    size = said.split(b"\t")[0]
    return int(size) if size.isdigit() else 0


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
