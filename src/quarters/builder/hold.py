"""A builder's hold on a build: every call about it, repeated over outages, and under a new lease where one ran out."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from quarters.builder.persistence import OutOfPatience, persistently
from quarters.builder.server import Server
from quarters.model.errors import LeaseLost
from quarters.protocol.builds import Assignment, LeaseKey

T = TypeVar("T")

_report = structlog.stdlib.get_logger(__name__)


class Hold:
    """Speaks to `server` about one build for as long as the lease can be held.

    An outage that is longer than the lease need not cost the work: as long as nobody has begun the build anew, the
    server gives it back, as a next attempt. That one's log and uploads are empty, and the server's answers lead whoever
    sends them back to the beginning.
    """

    def __init__(self, server: Server, assignment: Assignment, patience: float) -> None:
        """`patience` is for how many seconds the server may be away."""
        self.server = server
        self.assignment = assignment
        self.patience = patience
        self.resumed: Callable[[], None] | None = None
        """Called when `assignment` has become another one."""
        self._resuming = asyncio.Lock()

    def persevere(self) -> None:
        """Wait for the server without end from now on: what is left to do costs nothing."""
        self.patience = math.inf

    async def ask(self, call: Callable[[LeaseKey], Awaitable[T]], longest: float | None = None) -> T:
        """Repeat `call` until the server answers; LeaseLost once the build is somebody else's, or wanted no more."""
        pace = {} if longest is None else {"longest": longest}
        return await self._under_lease(lambda key: persistently(lambda: call(key), self.patience, **pace))

    async def once(self, call: Callable[[LeaseKey], Awaitable[T]]) -> T:
        """Like `ask`, but one of persistence.AWAY is raised: who sends much then asks what of it has arrived."""
        return await self._under_lease(call)

    async def _under_lease(self, call: Callable[[LeaseKey], Awaitable[T]]) -> T:
        while True:
            key = LeaseKey.of(self.assignment)
            try:
                return await call(key)
            except OutOfPatience:
                raise
            except LeaseLost:
                await self._resume(key)

    async def _resume(self, lost: LeaseKey) -> None:
        async with self._resuming:
            if LeaseKey.of(self.assignment) != lost:
                return
            self.assignment = await persistently(lambda: self.server.resume(lost), self.patience)
            _report.info("build resumed", build=lost.build, attempt=self.assignment.attempt)
            if self.resumed is not None:
                self.resumed()
