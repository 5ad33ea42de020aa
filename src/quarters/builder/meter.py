"""Measures what an attempt uses: time, and the most memory and disk at a time."""

import asyncio
import os
from collections.abc import Callable, Iterator

from quarters.builder import disk, processes
from quarters.builder.buildroot import Used
from quarters.builder.workspace import Workspace
from quarters.protocol.builds import Measured

_EVERY = 1.0
"""Seconds between two looks at the processes."""


class Meter:
    """Measures one attempt from now on.

    A build's processes are those of its user, who has no others: no cgroup has to be made, or be permitted, for that.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._memory = 0
        self.elsewhere: Callable[[], Used] = Used
        """What the root itself knows: disk elsewhere is added, of the memory the larger number counts."""

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
        elsewhere = self.elsewhere()
        return Measured(
            seconds=max(1, round(self._clock() - self._began)),
            memory=max(self._memory, elsewhere.memory),
            disk=await disk.held(self._workspace.folder) + elsewhere.disk,
        )


def _own_memory(uid: int) -> Iterator[int]:
    for process in os.scandir("/proc"):
        try:
            if process.name.isdecimal() and process.stat().st_uid == uid:
                yield processes.own_memory(process.path)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
