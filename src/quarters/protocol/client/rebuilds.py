"""Rebuilds, as a client sees them."""

from quarters.planning.plan import Plan
from quarters.protocol.client.transport import Transport, below
from quarters.protocol.rebuilds import RebuildRequest, RebuildView, Suggestion
from quarters.protocol.resources import Page, Requested

_ALL = "rebuilds"


class Rebuilds:
    """`/api/v1/rebuilds`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self, repository: str | None = None, *, limit: int | None = None, cursor: str | None = None
    ) -> Page[RebuildView]:
        """Builds that become visible together, newest first."""
        params = {"repository": repository, "limit": limit, "cursor": cursor}
        return await self._transport.call("GET", below(_ALL), Page[RebuildView], params=params)

    async def show(self, rebuild: int) -> RebuildView:
        """One rebuild, or NotFound."""
        return await self._transport.call("GET", below(_ALL, rebuild), RebuildView)

    async def request(self, request: RebuildRequest) -> Requested:
        """Build packages again."""
        return await self._transport.call("POST", below(_ALL), Requested, send=request)

    async def plan(self, request: RebuildRequest) -> tuple[Plan, ...]:
        """What would be built again, for each architecture."""
        return await self._transport.call("POST", below(_ALL, "plan"), tuple[Plan, ...], send=request)

    async def suggested(self, repository: str | None = None) -> tuple[Suggestion, ...]:
        """What links to libraries that are there no more."""
        params = {"repository": repository}
        return await self._transport.call(
            "GET", below(_ALL, "suggestions"), tuple[Suggestion, ...], params=params
        )

    async def publish(self, rebuild: int) -> RebuildView:
        """Publish what has succeeded without what has not."""
        return await self._transport.call("POST", below(_ALL, rebuild, "publish"), RebuildView)

    async def drop(self, rebuild: int) -> RebuildView:
        """Give a rebuild up: nothing of it is published."""
        return await self._transport.call("POST", below(_ALL, rebuild, "drop"), RebuildView)
