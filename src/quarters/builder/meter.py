"""Measures what an attempt uses: time, and the most memory and disk at a time."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from quarters.builder.cleanup import to_the_end
from quarters.builder.workspace import PATH, Workspace
from quarters.protocol.builds import Measured

_EVERY = 1.0
"""Seconds between two looks at the processes."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Meter:
    """Measures one attempt from now on.

    A build's processes are those of its user, who has no others: no cgroup has to be made, or be permitted, for that.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._memory = 0

    async def watch(self) -> None:
        """Look at the processes again and again; without end."""
        while True:
            self.look()
            await asyncio.sleep(_EVERY)

    def look(self) -> None:
        """Note how much memory the processes have at this moment."""
        self._memory = max(self._memory, sum(_own_memory(self._workspace.uid)))

    async def measured(self) -> Measured:
        """What was used until now; disk is what the workspace holds, which builds only ever add to."""
        return Measured(
            seconds=max(1, round(self._clock() - self._began)),
            memory=self._memory,
            disk=await _held(self._workspace.folder),
        )


def _own_memory(uid: int) -> Iterator[int]:
    """By process, the bytes that it shares with nobody; files that are mapped can be dropped, and do not count."""
    for process in os.scandir("/proc"):
        try:
            if process.name.isdecimal() and process.stat().st_uid == uid:
                # proc(5), statm: size, resident, shared, …, in pages
                _, resident, shared, *_ = Path(process.path, "statm").read_text().split()
                yield max(0, int(resident) - int(shared)) * _PAGE
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


async def _held(folder: Path) -> int:
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
