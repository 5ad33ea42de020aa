"""Builds, plans and logs, as a client sees them."""

from collections.abc import AsyncIterator

import msgspec

from quarters.model.build import Build, State
from quarters.planning.plan import Plan
from quarters.protocol.client.transport import Transport, below
from quarters.protocol.resources import (
    BuildFilter,
    BuildRequest,
    BuildView,
    Cancellation,
    Cancelled,
    Forgotten,
    Page,
    PlanRequest,
    Requested,
    Retried,
    Retry,
)
from quarters.protocol.snapshots import Cleaning
from quarters.protocol.streams import LogEnd, LogPlace, LogText

_ALL = "builds"
_LONG = 600.0
"""Seconds that a cleaning of everything may take."""


class Builds:
    """`/api/v1/builds` without what only builders do."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self, which: BuildFilter | None = None, *, limit: int | None = None, cursor: str | None = None
    ) -> Page[Build]:
        """Builds that match, newest first."""
        params = {**msgspec.to_builtins(which or BuildFilter()), "limit": limit, "cursor": cursor}
        return await self._transport.call("GET", below(_ALL), Page[Build], params=params)

    async def plan(self, request: PlanRequest) -> Plan:
        """What would be built for a request, in which order and why; nothing is queued."""
        return await self._transport.call("POST", below("plans"), Plan, send=request)

    async def request(self, request: BuildRequest) -> Requested:
        """Ask for packages to be built, with all they need."""
        return await self._transport.call("POST", below(_ALL), Requested, send=request)

    async def show(self, build: int) -> BuildView:
        """One build, or NotFound."""
        return await self._transport.call("GET", below(_ALL, build), BuildView)

    async def cancel(self, build: int) -> BuildView:
        """End a build that is not over yet."""
        return await self._transport.call("POST", below(_ALL, build, "cancel"), BuildView)

    async def retry(self, build: int) -> BuildView:
        """Queue a build that failed, timed out or was cancelled once more."""
        return await self._transport.call("POST", below(_ALL, build, "retry"), BuildView)

    async def cancel_all(self, which: Cancellation) -> Cancelled:
        """End all that a request wants and no other one does."""
        return await self._transport.call("POST", below(_ALL, "cancellations"), Cancelled, send=which)

    async def retry_all(self, which: Retry) -> Retried:
        """Queue once more all that ended badly and matches."""
        return await self._transport.call("POST", below(_ALL, "retries"), Retried, send=which)

    async def clean(self, *, dry_run: bool = False) -> Forgotten:
        """Forget builds that are over, and their logs, as far as no rule keeps them."""
        path = below(_ALL, "cleanings")
        return await self._transport.call("POST", path, Forgotten, send=Cleaning(dry_run=dry_run), wait=_LONG)

    async def log(self, build: int, *, offset: int = 0, attempt: int | None = None) -> bytes:
        """The log from the byte `offset` on, at once, of the last attempt where none is given."""
        params = {"offset": offset, "attempt": attempt}
        return await self._transport.exchange("GET", below(_ALL, build, "log"), params=params)

    async def read_log(self, build: int, *, attempt: int | None = None) -> AsyncIterator[bytes]:
        """The log piece by piece, however long it is."""
        path, params = below(_ALL, build, "log"), {"attempt": attempt}
        async with self._transport.opened("GET", path, params=params) as answer:
            async for piece in answer.content.iter_any():
                yield piece

    async def follow_log(
        self, build: int, *, offset: int = 0, attempt: int | None = None
    ) -> AsyncIterator[LogText | LogEnd]:
        """The log as it grows, over attempts and lost connections, until a LogEnd when the build is over."""
        place = "" if attempt is None else str(LogPlace(attempt, offset))
        params = {"offset": offset} if attempt is None and offset else None
        async for event in self._transport.follow(below(_ALL, build, "log", "stream"), params, place):
            if event.name == "end":
                yield LogEnd(State(event.data))
                return
            reached = LogPlace.parse(event.id)
            if event.name == "log" and reached is not None:
                yield LogText(reached.attempt, reached.offset, event.data)
