"""Public keys as a client sees them."""

from quarters.protocol.client.transport import Transport, below
from quarters.protocol.resources import KeyView, Page

_ALL = "keys"


class Keys:
    """`/api/v1/keys`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> Page[KeyView]:
        """The public keys that repositories are signed with."""
        return await self._transport.call("GET", below(_ALL), Page[KeyView])

    async def show(self, name: str) -> KeyView:
        """One public key, or NotFound."""
        return await self._transport.call("GET", below(_ALL, name), KeyView)
