"""The Arch User Repository as a client of the server sees it."""

from quarters.protocol.aur import AurAdded, AurFound, AurWish
from quarters.protocol.client.transport import Transport, below


class AurPackages:
    """`/api/v1/aur`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def search(self, query: str) -> list[AurFound]:
        """Packages whose name or description matches."""
        return await self._transport.call(
            "GET", below("aur", "packages"), list[AurFound], params={"query": query}
        )

    async def add(self, wish: AurWish) -> AurAdded:
        """Follow packages, or say what that would bring."""
        return await self._transport.call("POST", below("aur", "additions"), AurAdded, send=wish)
