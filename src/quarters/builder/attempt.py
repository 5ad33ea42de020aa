"""One claimed build from its recipe to the word that ends it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import msgspec
import structlog

from quarters.builder import log, record
from quarters.builder.caches import Caches
from quarters.builder.executors.executor import Executor
from quarters.builder.failure import BuildFailed, BuildSkipped
from quarters.builder.hold import Hold
from quarters.builder.journal import Journal
from quarters.builder.meter import Meter
from quarters.builder.procedure import Procedure
from quarters.builder.recipe import fetch
from quarters.builder.record import Built
from quarters.builder.signing import Signer
from quarters.builder.upload import described, upload
from quarters.builder.workspace import Workspace
from quarters.model.build import Outcome, Reason, Step
from quarters.model.errors import LeaseLost
from quarters.model.text import plain
from quarters.protocol.builds import Finish, Heartbeat, HeartbeatReply, LeaseKey, Measured

_LONGEST_NAME = 255
_ROOM = 64 << 10
"""Bytes of log for Quarters' own words at its end."""
_report = structlog.stdlib.get_logger(__name__)


class Attempt:
    """Works on a build in `workspace`; ends when the server knows how it ended, or when the lease is lost."""

    def __init__(
        self,
        hold: Hold,
        workspace: Workspace,
        executor: Executor,
        caches: Caches,
        signer: Signer | None = None,
    ) -> None:
        self._hold = hold
        self._workspace = workspace
        self._executor = executor
        self._caches = caches
        self._signer = signer

    async def run(self, log_limit: int, now: Callable[[], datetime]) -> None:
        """Build, keep the lease alive and the log flowing meanwhile; LeaseLost is raised in a group."""
        with log.BuildLog(self._workspace.log, self._limit(log_limit)) as build_log:
            await self._alive(Journal(build_log, now), self._build, begun=False)

    async def deliver(self, built: Built, log_limit: int, now: Callable[[], datetime]) -> None:
        """Send what a predecessor had built; raises like `run`."""
        with log.BuildLog(self._workspace.log, self._limit(log_limit)) as build_log:
            journal = Journal(build_log, now, built.finish.steps)
            build_log.say("The builder was started again; what it had built is sent now.")
            await self._alive(journal, partial(self._redeliver, built.finish), begun=True)

    def _limit(self, own: int) -> int:
        """The smaller of both limits, with room for what is said once it is passed."""
        servers = self._hold.assignment.log_limit
        return min(own, max(0, servers - _ROOM)) if servers else own

    async def _alive(
        self, journal: Journal, work: Callable[[Journal], Awaitable[Finish]], *, begun: bool
    ) -> None:
        first = LeaseKey.of(self._hold.assignment)
        async with asyncio.TaskGroup() as group:
            heart = group.create_task(self._beat(journal))
            sender = group.create_task(log.send(journal.log, self._hold, begun=begun))
            self._meter = Meter(self._workspace)
            watching = group.create_task(self._meter.watch())
            finish = await self._ended(journal, work)
            watching.cancel()
            if finish.measured == Measured():
                finish = msgspec.structs.replace(finish, measured=await self._meter.measured())
            journal.log.close()
            await sender
            await self._tell(finish, journal, first)
            self._workspace.built.unlink(missing_ok=True)
            heart.cancel()

    async def _tell(self, finish: Finish, journal: Journal, sent: LeaseKey) -> None:
        """Say how it ended; under another lease than the one that all was `sent` under, what is missing is sent first."""

        async def tell(key: LeaseKey) -> bool:
            if key == sent:
                await self._hold.server.finish(key, finish)
            return key == sent

        while not await self._hold.ask(tell):
            sent = LeaseKey.of(self._hold.assignment)
            await log.send(journal.log, self._hold, begun=True)
            await upload(self._workspace.artifacts, finish.artifacts, self._hold, begun=True)

    async def _beat(self, journal: Journal) -> None:
        while True:
            journal.changed.clear()
            heartbeat = Heartbeat(steps=journal.steps)

            async def beat(key: LeaseKey) -> HeartbeatReply:
                return await self._hold.server.heartbeat(key, heartbeat)  # noqa: B023

            every = self._hold.assignment.heartbeat
            reply = await self._hold.ask(beat, longest=every)
            if reply.cancel:
                raise LeaseLost("The server ended the build.")
            try:
                async with asyncio.timeout(every):
                    await journal.changed.wait()
            except TimeoutError:
                continue

    async def _ended(self, journal: Journal, work: Callable[[Journal], Awaitable[Finish]]) -> Finish:
        try:
            finish = await work(journal)
        except LeaseLost:
            raise
        except BuildFailed as failure:
            journal.end(failure.exit_code)
            finish = failed(failure, journal)
        except BuildSkipped as nothing:
            journal.end(0)
            finish = Finish(
                outcome=Outcome.SKIPPED, steps=journal.steps, version=nothing.version, message=str(nothing)
            )
        except _Overdue as overdue:
            journal.end(None)
            finish = Finish(outcome=Outcome.TIMED_OUT, steps=journal.steps, message=str(overdue))
        except Exception as error:  # noqa: BLE001 (the outermost frame of the work: its builder failed, not the build)
            _report.exception("the builder failed", build=self._hold.assignment.build)
            journal.end(None)
            finish = failed(BuildFailed(Reason.INTERNAL_ERROR, f"The builder failed: {error}"), journal)
        if journal.applied:
            journal.log.say(f"Applied: {', '.join(journal.applied)}.")
        if finish.message:
            journal.log.say(finish.message)
        return finish

    async def _build(self, journal: Journal) -> Finish:
        limit = asyncio.timeout(self._hold.assignment.timeout)
        try:
            async with limit:
                version = await self._make(journal)
        except TimeoutError:
            if not limit.expired():
                raise
            raise _Overdue(f"The build took longer than {self._hold.assignment.timeout} s.") from None
        artifacts = await described(self._workspace.artifacts, self._signer)
        measured = await self._meter.measured()
        finish = Finish(
            outcome=Outcome.BUILT,
            steps=journal.steps,
            version=version,
            artifacts=artifacts,
            measured=measured,
        )
        return await self._deliver(finish, journal, begun=False)

    async def _make(self, journal: Journal) -> str:
        assignment = self._hold.assignment
        journal.begin(Step.ROOT)
        async with self._executor.furnished(assignment, self._workspace) as root:
            self._meter.elsewhere = root.elsewhere
            journal.begin(Step.RECIPE)
            await fetch(self._hold, self._workspace)
            return await Procedure(assignment, self._workspace, root, journal, self._caches).build()

    async def _redeliver(self, finish: Finish, journal: Journal) -> Finish:
        if not await asyncio.to_thread(record.is_whole, finish.artifacts, self._workspace.artifacts):
            raise BuildFailed(Reason.INTERNAL_ERROR, "What was built is damaged on the builder's disk.")
        return await self._deliver(finish, journal, begun=True)

    async def _deliver(self, finish: Finish, journal: Journal, *, begun: bool) -> Finish:
        def keep() -> None:
            record.keep(self._workspace, Built(self._hold.assignment, finish))

        keep()
        journal.begin(Step.UPLOAD)  # from now on a builder that is started again sends what is left
        self._hold.resumed = keep
        self._hold.persevere()
        await upload(self._workspace.artifacts, finish.artifacts, self._hold, begun=begun)
        journal.end(0)
        return msgspec.structs.replace(finish, steps=journal.steps)


def failed(failure: BuildFailed, journal: Journal) -> Finish:
    """What the server is told about a failure."""
    return Finish(
        outcome=Outcome.FAILED,
        steps=journal.steps,
        reason=failure.reason,
        command=failure.command,
        exit_code=failure.exit_code,
        message=plain(str(failure)),
        missing=plain(failure.missing)[:_LONGEST_NAME],
        machine_full=failure.machine_full,
    )


class _Overdue(Exception):
    """The build's time is over."""
