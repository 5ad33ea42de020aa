"""The builder's loop: claims builds for its free slots and works on each in a task of its own."""

import asyncio
import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import structlog

from quarters import __version__
from quarters.builder.attempt import Attempt
from quarters.builder.capacity import Capacity
from quarters.builder.executors.executor import Executor
from quarters.builder.leftovers import WORK
from quarters.builder.persistence import persistently
from quarters.builder.server import Server
from quarters.builder.settings import BuilderSettings
from quarters.builder.signing import signer
from quarters.builder.workspace import prepared
from quarters.model.errors import DataFolderBusy, DataFolderUnusable, LeaseLost, QuartersError
from quarters.protocol.builds import Assignment, ClaimRequest

_POLL = 30.0
"""Seconds that the server may take to find work."""
_report = structlog.stdlib.get_logger(__name__)


class Agent:
    """A builder. Cancel `run` to stop at once: what is being built is given up, and its leases run out."""

    def __init__(
        self, settings: BuilderSettings, server: Server, executor: Executor, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._server = server
        self._executor = executor
        self._now = now
        self._capacity = Capacity(settings)
        self._running: dict[int, asyncio.Task[None]] = {}
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """Claim nothing more; `run` returns when what is being built has ended."""
        self._draining.set()

    async def run(self) -> None:
        """Claim and build until drained or cancelled; DataFolderBusy if another builder uses the same folder."""
        with _locked(self._settings.data):
            await self._executor.start()
            draining = asyncio.create_task(self._draining.wait())
            try:
                while not self._draining.is_set():
                    await self._claim(draining)
                if self._running:
                    await asyncio.wait(self._running.values())
            finally:
                draining.cancel()
                await self._abandon()

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
                    self._begin(slot, assignment)
        finally:
            claiming.cancel()

    def _begin(self, slot: int, assignment: Assignment) -> None:
        task = asyncio.create_task(self._attempt(slot, assignment), name=f"build {assignment.build}")
        self._running[slot] = task
        task.add_done_callback(lambda _: self._running.pop(slot))

    async def _attempt(self, slot: int, assignment: Assignment) -> None:
        name = f"{assignment.build}-{assignment.attempt}"
        report = _report.bind(build=assignment.build, attempt=assignment.attempt, pkgbase=assignment.pkgbase)
        report.info("build begun")
        try:
            async with prepared(
                self._settings.data / WORK, name, self._settings.first_uid + slot
            ) as workspace:
                patience, signing = self._settings.patience, signer(self._settings)
                attempt = Attempt(assignment, workspace, self._executor, self._server, patience, signing)
                await attempt.run(self._settings.log_limit, self._now)
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
