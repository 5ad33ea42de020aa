"""One claimed build from its recipe to the word that ends it."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec
import structlog

from quarters.builder import log
from quarters.builder.executors.executor import Executor
from quarters.builder.failure import BuildFailed
from quarters.builder.journal import Journal
from quarters.builder.meter import Meter
from quarters.builder.persistence import persistently
from quarters.builder.recipe import fetch
from quarters.builder.server import Server
from quarters.builder.signing import Signer
from quarters.builder.upload import upload
from quarters.builder.workspace import Workspace
from quarters.model.build import Outcome, Reason, Step
from quarters.model.errors import LeaseLost, QuartersError
from quarters.model.text import plain
from quarters.protocol.builds import Assignment, Finish, Heartbeat, LeaseKey

_LONGEST_NAME = 255
_report = structlog.stdlib.get_logger(__name__)


class Attempt:
    """Works on `assignment` in `workspace`; ends when the server knows how it ended, or when the lease is lost."""

    def __init__(
        self,
        assignment: Assignment,
        workspace: Workspace,
        executor: Executor,
        server: Server,
        patience: float,
        signer: Signer | None = None,
    ) -> None:
        self._assignment = assignment
        self._workspace = workspace
        self._executor = executor
        self._server = server
        self._patience = patience
        self._signer = signer
        self._key = LeaseKey.of(assignment)

    async def run(self, log_limit: int, now: Callable[[], datetime]) -> None:
        """Build, keep the lease alive and the log flowing meanwhile; LeaseLost is raised in a group."""
        with log.BuildLog(self._workspace.log, log_limit) as build_log:
            journal = Journal(build_log, now)
            async with asyncio.TaskGroup() as group:
                heart = group.create_task(self._beat(journal))
                sender = group.create_task(log.send(build_log, self._server, self._key, self._patience))
                meter = Meter(self._workspace)
                watching = group.create_task(meter.watch())
                finish = await self._work(journal)
                watching.cancel()
                finish = msgspec.structs.replace(finish, measured=await meter.measured())
                build_log.close()
                await sender
                await persistently(lambda: self._server.finish(self._key, finish), self._patience)
                heart.cancel()

    async def _beat(self, journal: Journal) -> None:
        while True:
            journal.changed.clear()
            heartbeat = Heartbeat(steps=journal.steps)
            reply = await persistently(
                lambda: self._server.heartbeat(self._key, heartbeat),  # noqa: B023
                self._patience,
                longest=self._assignment.heartbeat,
            )
            if reply.cancel:
                raise LeaseLost("The server ended the build.")
            try:
                async with asyncio.timeout(self._assignment.heartbeat):
                    await journal.changed.wait()
            except TimeoutError:
                continue

    async def _work(self, journal: Journal) -> Finish:
        try:
            finish = await self._build(journal)
        except BuildFailed as failure:
            journal.end(failure.exit_code)
            finish = Finish(
                outcome=Outcome.FAILED,
                steps=journal.steps,
                reason=failure.reason,
                command=failure.command,
                exit_code=failure.exit_code,
                message=plain(str(failure)),
                missing=plain(failure.missing)[:_LONGEST_NAME],
            )
        except _Overdue as overdue:
            journal.end(None)
            finish = Finish(outcome=Outcome.TIMED_OUT, steps=journal.steps, message=str(overdue))
        except LeaseLost:
            raise
        except (OSError, QuartersError) as error:
            _report.exception("the builder failed", build=self._assignment.build)
            journal.end(None)
            finish = Finish(
                outcome=Outcome.FAILED,
                steps=journal.steps,
                reason=Reason.INTERNAL_ERROR,
                message=plain(f"The builder failed: {error}"),
            )
        if finish.message:
            journal.log.say(finish.message)
        return finish

    async def _build(self, journal: Journal) -> Finish:
        limit = asyncio.timeout(self._assignment.timeout)
        try:
            async with limit:
                version = await self._make(journal)
        except TimeoutError:
            if not limit.expired():
                raise
            raise _Overdue(f"The build took longer than {self._assignment.timeout} s.") from None
        journal.begin(Step.UPLOAD)
        artifacts = await upload(
            self._workspace.artifacts, self._server, self._key, self._patience, self._signer
        )
        journal.end(0)
        return Finish(outcome=Outcome.BUILT, steps=journal.steps, version=version, artifacts=artifacts)

    async def _make(self, journal: Journal) -> str:
        journal.begin(Step.ROOT)
        await self._executor.furnish(self._assignment, self._workspace)
        journal.begin(Step.RECIPE)
        await fetch(self._assignment, self._workspace, self._server, self._patience)
        return await self._executor.build(self._assignment, self._workspace, journal)


class _Overdue(Exception):
    """The build's time is over."""
