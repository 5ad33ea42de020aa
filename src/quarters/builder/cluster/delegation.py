"""Hands each build to a cluster as one job, and looks after it until the job has ended."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from quarters.builder.cleanup import to_the_end
from quarters.builder.cluster.cluster import Cluster, ClusterAway, Job, JobRefused, Phase
from quarters.builder.cluster.handover import Handover
from quarters.builder.failure import BuildFailed
from quarters.builder.hold import Hold
from quarters.builder.last_word import HANDED_BACK, say
from quarters.builder.server import Server
from quarters.builder.settings import BuilderSettings
from quarters.builder.works import Room, reported
from quarters.model.build import Outcome, Reason
from quarters.model.errors import LeaseLost
from quarters.protocol.builds import Assignment, Finish, Heartbeat

_report = structlog.stdlib.get_logger(__name__)


class Delegation:
    """A build's job holds its lease from the moment in which it runs; until then this builder does.

    A job outlives the builder that was killed: it needs nobody but the server. So there is nothing to be taken up again.
    """

    def __init__(self, settings: BuilderSettings, server: Server, cluster: Cluster) -> None:
        self.name = cluster.name
        self._settings = settings
        self._server = server
        self._cluster = cluster

    def check(self) -> None:
        """As the cluster's tools are found."""
        self._cluster.check()

    def room(self, *, idle: bool) -> Room:
        """What the settings say; what the cluster has is its own business, and where jobs wait is there."""
        return Room(int(self._settings.memory), int(self._settings.disk))

    async def start(self) -> None:
        """Look for the cluster's tools."""
        self.check()

    def left(self) -> Sequence[Callable[[int], Coroutine[Any, Any, None]]]:
        """Nothing: see above."""
        return ()

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def work(self, slot: int, assignment: Assignment) -> None:
        """Submit a job and follow it to its end."""
        hold = Hold(self._server, assignment, self._settings.patience)
        with reported(assignment):
            try:
                job = await self._submitted(hold)
            except asyncio.CancelledError:
                await to_the_end(say(hold, HANDED_BACK))
                raise
            except JobRefused as error:
                await say(hold, _lost(Reason.INTERNAL_ERROR, str(error)))
                raise BuildFailed(Reason.INTERNAL_ERROR, str(error)) from error
            _report.info("job submitted", build=assignment.build, job=job, cluster=self.name)
            await self._followed(hold, job)

    async def _submitted(self, hold: Hold) -> str:
        handover = Handover.of(hold.assignment, self._settings, with_token=self._cluster.carries_token)
        while True:
            try:
                return await self._cluster.submit(handover)
            except ClusterAway as error:
                _report.warning(
                    "the cluster does not take a job now", build=hold.assignment.build, why=str(error)
                )
            await self._beat(hold)
            await self._pause(hold)

    async def _followed(self, hold: Hold, job: str) -> None:
        begun = False
        try:
            while (found := await self._look(job)) is None or found.phase in (Phase.WAITING, Phase.RUNNING):
                begun = begun or (found is not None and found.phase is Phase.RUNNING)
                if not begun:
                    await self._beat(hold)
                await self._pause(hold)
        except asyncio.CancelledError:
            await to_the_end(self._withdraw(hold, job, begun=begun))
            raise
        except LeaseLost:
            await self._withdraw(hold, job, begun=True)
            raise
        if found.phase is Phase.LOST:
            message = f"The job {job} of {self.name} ended without a word of the build: {found.why}."
            await say(hold, _lost(Reason.BUILDER_LOST, message))

    async def _look(self, job: str) -> Job | None:
        """How far the job is; None where the cluster does not say, which tells nothing about the job."""
        try:
            return await self._cluster.look(job)
        except (ClusterAway, JobRefused) as error:
            _report.warning("the cluster does not answer", job=job, why=str(error))
            return None

    async def _beat(self, hold: Hold) -> None:
        reply = await hold.ask(
            lambda key: self._server.heartbeat(key, Heartbeat()), longest=hold.assignment.heartbeat
        )
        if reply.cancel:
            raise LeaseLost("The server ended the build.")

    async def _pause(self, hold: Hold) -> None:
        await asyncio.sleep(min(self._cluster.poll, hold.assignment.heartbeat))

    async def _withdraw(self, hold: Hold, job: str, *, begun: bool) -> None:
        try:
            await self._cluster.cancel(job)
        except (ClusterAway, JobRefused) as error:
            _report.warning("a job could not be ended", job=job, why=str(error))
        if not begun:
            await say(hold, HANDED_BACK)


def _lost(reason: Reason, message: str) -> Finish:
    return Finish(outcome=Outcome.FAILED, steps=(), reason=reason, message=message)
