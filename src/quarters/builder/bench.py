"""Works on builds on this machine itself."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from quarters.builder import record
from quarters.builder.attempt import Attempt
from quarters.builder.caches import Caches
from quarters.builder.capacity import Capacity
from quarters.builder.executors.executor import Executor
from quarters.builder.hold import Hold
from quarters.builder.last_word import last_word
from quarters.builder.leftovers import WORK, deliverable
from quarters.builder.server import Server
from quarters.builder.settings import BuilderSettings
from quarters.builder.signing import signer
from quarters.builder.works import Room, reported
from quarters.builder.workspace import Workspace, left, prepared, remove
from quarters.protocol.builds import Assignment


class Bench:
    """With an executor, in a workspace of its own for each attempt."""

    def __init__(
        self, settings: BuilderSettings, server: Server, executor: Executor, now: Callable[[], datetime]
    ) -> None:
        self.name = executor.name
        self._settings = settings
        self._server = server
        self._executor = executor
        self._now = now
        self._capacity = Capacity(settings)
        self._caches = Caches(settings.data / "cache", int(settings.cache_limit))

    def check(self) -> None:
        """As the executor finds it."""
        self._executor.check()

    def room(self, *, idle: bool) -> Room:
        """What this machine has."""
        return Room(self._capacity.memory, self._capacity.disk(idle=idle))

    async def start(self) -> None:
        """Ready the executor."""
        await self._caches.prune()
        await self._executor.start()

    def left(self) -> list[Callable[[int], Coroutine[Any, Any, None]]]:
        """Packages that a predecessor built and did not send."""
        return [partial(self._delivery, folder) for folder in deliverable(self._settings.data)]

    async def close(self) -> None:
        """Let go of the executor."""
        await self._executor.close()

    async def work(self, slot: int, assignment: Assignment) -> None:
        """Build in a slot; whatever goes wrong is reported, and the server told."""
        with reported(assignment):
            await self.attempt(slot, assignment)

    async def attempt(self, slot: int, assignment: Assignment) -> None:
        """Build in a slot; raises what kept the server from hearing how that ended, which may be a group."""
        name = f"{assignment.build}-{assignment.attempt}"
        work = self._settings.data / WORK
        async with prepared(work, name, self._settings.first_uid + slot) as workspace:
            hold = Hold(self._server, assignment, self._settings.patience)
            attempt = Attempt(hold, workspace, self._executor, self._caches, signer(self._settings))
            async with last_word(hold, workspace):
                await attempt.run(self._settings.log_limit, self._now)

    async def _delivery(self, folder: Path, slot: int) -> None:
        """Send what a predecessor had built before it was ended."""
        workspace = Workspace(folder, self._settings.first_uid + slot)
        built = await asyncio.to_thread(record.read, workspace)
        if built is None:
            await remove(folder)
            return
        with reported(built.assignment, "delivery"):
            async with left(workspace):
                hold = Hold(self._server, built.assignment, math.inf)
                async with last_word(hold, workspace):
                    attempt = Attempt(hold, workspace, self._executor, self._caches)
                    await attempt.deliver(built, self._settings.log_limit, self._now)
