"""Ends a build that passes its limits: what the kernel cannot be told to hold is looked at again and again."""

import asyncio
from collections.abc import Collection, Coroutine
from pathlib import Path
from typing import TypeVar

from quarters.builder import processes
from quarters.builder.cgroups import MEMORY, PROCESSES, Group
from quarters.builder.disk import DiskWatch
from quarters.builder.failure import BuildFailed
from quarters.builder.limits import Limits
from quarters.builder.memory import oom_kills
from quarters.model.build import Reason
from quarters.model.size import Size

T = TypeVar("T")

_EVERY = 0.2
"""Seconds between two looks."""


class Watchdog:
    """Watches one attempt whose work area is `folder`, and whose processes join `group` as far as there is one."""

    def __init__(self, limits: Limits, group: Group, folder: Path) -> None:
        self._limits = limits
        self._group = group
        self._disk = DiskWatch(folder, limits.disk)
        self._kills = oom_kills()
        self._process: int | None = None
        self.most_memory = 0
        """Bytes that its processes were seen to have at a time where the kernel does not keep to the limit, or needed."""

    @property
    def joining(self) -> list[str]:
        """Lines of a shell script that put the shell, and so all that it starts, under watch."""
        lines = [f"echo $$ >'{file}'" for file in self._group.joining]
        # Where the whole machine runs out of memory, a build ends before the builder or the server does.
        return [*lines, "echo 500 >/proc/self/oom_score_adj || :"]

    def follow(self, process: int, beside: Collection[Path] = ()) -> None:
        """From now on, what `process` and all that it starts use counts, and what lies `beside` the work area."""
        self._process = process
        self._disk.beside = beside

    @property
    def oom_kills(self) -> int:
        """How many processes the kernel ended for want of memory; without a group, of the whole builder."""
        return self._group.oom_kills if self._group.holds(MEMORY) else oom_kills() - self._kills

    async def over(self, work: Coroutine[None, None, T]) -> T:
        """What `work` returns; BuildFailed, with the work cancelled, as soon as a limit is passed."""
        working, watching = asyncio.ensure_future(work), asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                watching.result()
            result = working.result()
        finally:
            for task in (working, watching):
                task.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)
            self._process = None
        self._look_at_counts()
        return result

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            await self._look()

    async def _look(self) -> None:
        self._look_at_counts()
        self._look_at_processes()
        await self._disk.look(self._processes)

    def _processes(self) -> list[int]:
        return [] if self._process is None else processes.descendants(self._process)

    def _look_at_counts(self) -> None:
        """By what the kernel counted, which does not get lost between two looks."""
        if self._group.oom_kills:
            self._fail_of_memory()
        if self._group.refused_forks:
            self._fail_of_processes()

    def _look_at_processes(self) -> None:
        """By what is there now, where the kernel does not count."""
        memory_limit = 0 if self._group.holds(MEMORY) else self._limits.memory
        task_limit = 0 if self._group.holds(PROCESSES) else self._limits.processes
        if not memory_limit and not task_limit:
            return
        build = self._processes()
        memory = processes.memory(build)
        self.most_memory = max(self.most_memory, memory)
        # That sum is quick, and never too low: it counts what forks share for each of them.
        if 0 < memory_limit < memory and memory_limit < processes.proportional_memory(build):
            self._fail_of_memory()
        if 0 < task_limit < processes.tasks(build):
            self._fail_of_processes()

    def _fail_of_memory(self) -> None:
        self.most_memory = max(self.most_memory, self._limits.memory)
        sentence = f"The build needed more than its {Size(self._limits.memory)} of memory."
        raise BuildFailed(Reason.OUT_OF_MEMORY, sentence)

    def _fail_of_processes(self) -> None:
        sentence = f"The build had more than its {self._limits.processes} processes and threads."
        raise BuildFailed(Reason.TOO_MANY_PROCESSES, sentence)
