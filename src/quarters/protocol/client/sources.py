"""Sources as a client sees them."""

from quarters.model.commit import Commit
from quarters.model.forge import Forge
from quarters.model.source import Source
from quarters.protocol.client.transport import Transport, below
from quarters.protocol.forges import NewForge
from quarters.protocol.hooks import Hook, NewHook
from quarters.protocol.resources import NewSource, Page, SourceChange
from quarters.protocol.tending import Committed, Tending

_ALL = "sources"


class Sources:
    """`/api/v1/sources`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[Source]:
        """Sources by name."""
        params = {"limit": limit, "cursor": cursor}
        return await self._transport.call("GET", below(_ALL), Page[Source], params=params)

    async def create(self, new: NewSource) -> Source:
        """Add a source; its first sync begins at once."""
        return await self._transport.call("POST", below(_ALL), Source, send=new)

    async def show(self, name: str) -> Source:
        """One source, or NotFound."""
        return await self._transport.call("GET", below(_ALL, name), Source)

    async def change(self, name: str, change: SourceChange) -> Source:
        """Change what `change` names."""
        return await self._transport.call("PATCH", below(_ALL, name), Source, send=change)

    async def delete(self, name: str) -> None:
        """Remove a source and its recipes; what was built from it stays published."""
        await self._transport.exchange("DELETE", below(_ALL, name))

    async def hook(self, name: str, *, renew: bool = False) -> Hook:
        """Where a forge sends its pushes, and the secret that it proves them with."""
        return await self._transport.call("POST", below(_ALL, name, "hook"), Hook, send=NewHook(renew=renew))

    async def commits(
        self, name: str, *, limit: int | None = None, cursor: str | None = None
    ) -> Page[Commit]:
        """People's commits, the newest first."""
        params = {"limit": limit, "cursor": cursor}
        return await self._transport.call("GET", below(_ALL, name, "commits"), Page[Commit], params=params)

    async def put_package(self, name: str, package: str, archive: bytes, message: str = "") -> Committed:
        """Have a folder of the tree hold what a tar archive does."""
        address, params = below(_ALL, name, "packages", package), {"message": message}
        answer = await self._transport.exchange("PUT", address, params=params, body=archive)
        return self._transport.decoded(answer, Committed)

    async def drop_packages(self, name: str, wish: Tending) -> tuple[Committed, ...]:
        """Take folders out of the tree."""
        return await self._transport.call(
            "POST", below(_ALL, name, "drops"), tuple[Committed, ...], send=wish
        )

    async def bump_packages(self, name: str, wish: Tending) -> tuple[Committed, ...]:
        """Have packages be built once more, as a higher release."""
        return await self._transport.call(
            "POST", below(_ALL, name, "bumps"), tuple[Committed, ...], send=wish
        )

    async def forge(self, name: str) -> Forge:
        """Where changes that wait are shown, or NotFound."""
        return await self._transport.call("GET", below(_ALL, name, "forge"), Forge)

    async def set_forge(self, name: str, new: NewForge) -> Forge:
        """Show changes that wait there."""
        return await self._transport.call("PUT", below(_ALL, name, "forge"), Forge, send=new)

    async def remove_forge(self, name: str) -> None:
        """Show them nowhere else any more."""
        await self._transport.exchange("DELETE", below(_ALL, name, "forge"))

    async def sync(self, name: str) -> Source:
        """Ask for a sync now; the source's `synced_at` and `problem` tell how it went."""
        return await self._transport.call("POST", below(_ALL, name, "sync"), Source)
