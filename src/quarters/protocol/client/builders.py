"""Builders as a client sees them."""

from quarters.protocol.client.transport import Transport, below
from quarters.protocol.resources import BuilderView, Page

_ALL = "builders"


class Builders:
    """`/api/v1/builders`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[BuilderView]:
        """Builders by name."""
        params = {"limit": limit, "cursor": cursor}
        return await self._transport.call("GET", below(_ALL), Page[BuilderView], params=params)

    async def show(self, name: str) -> BuilderView:
        """One builder, or NotFound."""
        return await self._transport.call("GET", below(_ALL, name), BuilderView)

    async def drain(self, name: str) -> BuilderView:
        """Let it finish what it has and give it nothing new."""
        return await self._transport.call("POST", below(_ALL, name, "drain"), BuilderView)

    async def disable(self, name: str) -> BuilderView:
        """Give it nothing new, and take from it at once what it is building."""
        return await self._transport.call("POST", below(_ALL, name, "disable"), BuilderView)

    async def enable(self, name: str) -> BuilderView:
        """Give it work again."""
        return await self._transport.call("POST", below(_ALL, name, "enable"), BuilderView)

    async def remove(self, name: str) -> None:
        """Forget a builder; it appears again if it asks for work again."""
        await self._transport.exchange("DELETE", below(_ALL, name))
