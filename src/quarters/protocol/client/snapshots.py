"""A repository's snapshots, as a client sees them."""

from quarters.model.repository import Pin, Snapshot
from quarters.protocol.client.transport import Transport, below
from quarters.protocol.resources import Page
from quarters.protocol.snapshots import (
    Cleaned,
    Cleaning,
    Difference,
    NewPin,
    Promoted,
    Promotion,
    Rollback,
    SnapshotView,
)

_ALL = "repositories"
_LONG = 3600.0


class Snapshots:
    """What lies below `/api/v1/repositories/{name}` about snapshots; each is named by number, date, time or pin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self, repository: str, *, limit: int | None = None, cursor: str | None = None
    ) -> Page[SnapshotView]:
        """Snapshots, newest first."""
        params = {"limit": limit, "cursor": cursor}
        path = below(_ALL, repository, "snapshots")
        return await self._transport.call("GET", path, Page[SnapshotView], params=params)

    async def show(self, repository: str, which: int | str) -> SnapshotView:
        """One snapshot, or NotFound."""
        return await self._transport.call("GET", below(_ALL, repository, "snapshots", which), SnapshotView)

    async def difference(self, repository: str, before: int | str, after: int | str) -> Difference:
        """What was added, removed and changed from one snapshot to another."""
        params = {"before": before, "after": after}
        return await self._transport.call("GET", below(_ALL, repository, "diff"), Difference, params=params)

    async def pins(self, repository: str) -> tuple[Pin, ...]:
        """The names that snapshots are pinned with."""
        return await self._transport.call("GET", below(_ALL, repository, "pins"), tuple[Pin, ...])

    async def pin(self, repository: str, which: int | str, name: str) -> Pin:
        """Name a snapshot; Conflict if the name stands for another one."""
        path = below(_ALL, repository, "pins", name)
        return await self._transport.call("PUT", path, Pin, send=NewPin(snapshot=which))

    async def unpin(self, repository: str, name: str) -> None:
        """Forget a name, or NotFound."""
        await self._transport.exchange("DELETE", below(_ALL, repository, "pins", name))

    async def rollback(self, repository: str, which: int | str) -> Snapshot:
        """Serve again what a snapshot held; returns the new snapshot."""
        path = below(_ALL, repository, "rollbacks")
        return await self._transport.call("POST", path, Snapshot, send=Rollback(snapshot=which))

    async def promote(self, repository: str, promotion: Promotion) -> Promoted:
        """List packages in another repository too; PublishRejected with what would be missing there."""
        path = below(_ALL, repository, "promotions")
        return await self._transport.call("POST", path, Promoted, send=promotion, wait=_LONG)

    async def clean(self, repository: str, *, dry_run: bool = False) -> Cleaned:
        """Forget what the repository's policy does not keep."""
        path = below(_ALL, repository, "cleanings")
        return await self._transport.call("POST", path, Cleaned, send=Cleaning(dry_run=dry_run), wait=_LONG)
