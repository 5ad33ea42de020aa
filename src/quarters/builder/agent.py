"""The builder's loop: claims builds for its free slots and works on each in a task of its own."""

import asyncio
import fcntl
import math
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from quarters import __version__
from quarters.builder import record
from quarters.builder.attempt import Attempt
from quarters.builder.caches import Caches
from quarters.builder.capacity import Capacity
from quarters.builder.executors.executor import Executor
from quarters.builder.hold import Hold
from quarters.builder.last_word import last_word
from quarters.builder.leftovers import WORK, deliverable
from quarters.builder.persistence import persistently
from quarters.builder.server import Server
from quarters.builder.settings import BuilderSettings
from quarters.builder.signing import signer
from quarters.builder.workspace import Workspace, left, prepared, remove
from quarters.model.errors import DataFolderBusy, DataFolderUnusable, LeaseLost, QuartersError
from quarters.protocol.builds import Assignment, ClaimRequest

_POLL = 30.0
"""Seconds that the server may take to find work."""
_report = structlog.stdlib.get_logger(__name__)


class Agent:
    """A builder. Cancel `run` to stop at once: what is being built is handed back, what was built is sent later."""

    def __init__(
        self, settings: BuilderSettings, server: Server, executor: Executor, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._server = server
        self._executor = executor
        self._now = now
        self._capacity = Capacity(settings)
        self._caches = Caches(settings.data / "cache", int(settings.cache_limit))
        self._running: dict[int, asyncio.Task[None]] = {}
        self._draining = asyncio.Event()
        self.drained = asyncio.Event()
        """Set once nothing is built any more after `drain`."""

    def drain(self) -> None:
        """Claim nothing more; `run` returns when what is being built has ended."""
        self._draining.set()

    async def run(self) -> None:
        """Claim and build until drained or cancelled; DataFolderBusy if another builder uses the same folder."""
        with _locked(self._settings.data):
            draining = asyncio.create_task(self._draining.wait())
            try:
                await self._caches.prune()
                await self._executor.start()
                for slot, folder in enumerate(deliverable(self._settings.data)):
                    self._begin(slot, self._delivery(slot, folder))
                while not self._draining.is_set():
                    await self._claim(draining)
                if self._running:
                    await asyncio.wait(self._running.values())
                self.drained.set()
            finally:
                draining.cancel()
                await self._abandon()
                await self._executor.close()

    async def _claim(self, draining: asyncio.Task[bool]) -> None:
        free = [slot for slot in range(self._settings.slots) if slot not in self._running]
        if not free:
            await asyncio.wait({*self._running.values(), draining}, return_when=asyncio.FIRST_COMPLETED)
            return
        request = ClaimRequest(
            builder=self._settings.name,
            arches=self._settings.arches,
            slots=self._settings.slots,
            free=len(free),
            wait=_POLL,
            version=__version__,
            executor=self._executor.name,
            build_class=self._settings.build_class,
            memory=self._capacity.memory,
            disk=self._capacity.disk(idle=not self._running),
        )
        claiming = asyncio.ensure_future(persistently(lambda: self._server.claim(request)))
        try:
            await asyncio.wait({claiming, draining}, return_when=asyncio.FIRST_COMPLETED)
            if claiming.done():
                for slot, assignment in zip(free, claiming.result().assignments, strict=False):
                    self._begin(slot, self._attempt(slot, assignment))
        finally:
            claiming.cancel()

    def _begin(self, slot: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"slot {slot}")
        self._running[slot] = task
        task.add_done_callback(lambda _: self._running.pop(slot))

    async def _attempt(self, slot: int, assignment: Assignment) -> None:
        name = f"{assignment.build}-{assignment.attempt}"
        with self._reported(assignment) as report:
            async with prepared(
                self._settings.data / WORK, name, self._settings.first_uid + slot
            ) as workspace:
                report.info("build begun")
                hold = Hold(self._server, assignment, self._settings.patience)
                attempt = Attempt(hold, workspace, self._executor, self._caches, signer(self._settings))
                async with last_word(hold, workspace):
                    await attempt.run(self._settings.log_limit, self._now)

    async def _delivery(self, slot: int, folder: Path) -> None:
        """Send what a predecessor had built before it was ended."""
        workspace = Workspace(folder, self._settings.first_uid + slot)
        built = await asyncio.to_thread(record.read, workspace)
        if built is None:
            await remove(folder)
            return
        with self._reported(built.assignment) as report:
            async with left(workspace):
                report.info("delivery begun")
                hold = Hold(self._server, built.assignment, math.inf)
                async with last_word(hold, workspace):
                    attempt = Attempt(hold, workspace, self._executor, self._caches)
                    await attempt.deliver(built, self._settings.log_limit, self._now)

    @contextmanager
    def _reported(self, assignment: Assignment) -> Iterator[structlog.stdlib.BoundLogger]:
        report = _report.bind(build=assignment.build, attempt=assignment.attempt, pkgbase=assignment.pkgbase)
        try:
            yield report
            report.info("build ended")
        except* LeaseLost as lost:
            report.info("build given up", why=str(lost.exceptions[0]))
        except* QuartersError as errors:
            report.warning("build given up", why=str(errors.exceptions[0]))
        except* Exception:  # noqa: BLE001 (the outermost frame of an attempt: the builder goes on)
            report.exception("build given up")

    async def _abandon(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data / "builder.lock").open("w")
    except OSError as error:
        raise DataFolderUnusable(f"{data} cannot be written: {error.strerror}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataFolderBusy(f"Another builder already uses {data}.") from None
        yield
