"""An import, as a client does it: weigh, send, publish."""

from collections.abc import AsyncIterable

from quarters.protocol.client.repositories import signed
from quarters.protocol.client.transport import Transport, below
from quarters.protocol.imports import Held, Import, Imported, Offer, Verdicts

_ALL = "repositories"
_LONG = 3600.0


class Imports:
    """`/api/v1/repositories/{name}/imports` and what is below it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def weigh(self, repository: str, offer: Offer) -> Verdicts:
        """Say what an import would do with packages."""
        return await self._transport.call(
            "POST", below(_ALL, repository, "imports", "offers"), Verdicts, send=offer, wait=_LONG
        )

    async def send(
        self,
        repository: str,
        announced: tuple[str, int, str],
        content: AsyncIterable[bytes],
        signature: bytes | None = None,
    ) -> Held:
        """Send a file (its name, size and sha256 first), to be listed by a later `publish`."""
        file_name, size, sha256 = announced
        answer = await self._transport.exchange(
            "PUT",
            below(_ALL, repository, "imports", "files", file_name),
            params={"size": size, "sha256": sha256},
            body=content,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(size),
                **signed(signature),
            },
            wait=600,
        )
        return self._transport.decoded(answer, Held)

    async def publish(self, repository: str, wanted: Import) -> Imported:
        """List what was sent, in one snapshot; when this returns, clients can install it."""
        return await self._transport.call(
            "POST", below(_ALL, repository, "imports"), Imported, send=wanted, wait=_LONG
        )
