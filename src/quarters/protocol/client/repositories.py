"""Repositories, their packages and snapshots, as a client sees them."""

import base64
from pathlib import Path

from quarters.model.repository import Snapshot
from quarters.protocol.client.files import pieces
from quarters.protocol.client.transport import Transport, below
from quarters.protocol.packages import FileList, PackageDetails
from quarters.protocol.resources import (
    NewRepository,
    PackageView,
    Page,
    RepositoryChange,
    RepositoryView,
)
from quarters.protocol.snapshots import Removal

_ALL = "repositories"


class Repositories:
    """`/api/v1/repositories` and all below it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[RepositoryView]:
        """Repositories by name."""
        params = {"limit": limit, "cursor": cursor}
        return await self._transport.call("GET", below(_ALL), Page[RepositoryView], params=params)

    async def create(self, new: NewRepository) -> RepositoryView:
        """Create a repository and its key; Conflict if the name is taken."""
        return await self._transport.call("POST", below(_ALL), RepositoryView, send=new)

    async def show(self, name: str) -> RepositoryView:
        """One repository, or NotFound."""
        return await self._transport.call("GET", below(_ALL, name), RepositoryView)

    async def change(self, name: str, change: RepositoryChange) -> RepositoryView:
        """Change what `change` names."""
        return await self._transport.call("PATCH", below(_ALL, name), RepositoryView, send=change)

    async def delete(self, name: str) -> None:
        """Delete a repository; Conflict while something still belongs to it."""
        await self._transport.exchange("DELETE", below(_ALL, name))

    async def packages(
        self,
        name: str,
        *,
        arch: str | None = None,
        query: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[PackageView]:
        """What the current snapshot lists; `query` is part of a package's name."""
        params = {"arch": arch, "query": query, "limit": limit, "cursor": cursor}
        return await self._transport.call(
            "GET", below(_ALL, name, "packages"), Page[PackageView], params=params
        )

    async def package(self, name: str, arch: str, pkgname: str) -> PackageDetails:
        """One package of the current snapshot with all that is known of it, or NotFound."""
        path = below(_ALL, name, "packages", arch, pkgname)
        return await self._transport.call("GET", path, PackageDetails)

    async def package_files(self, name: str, arch: str, pkgname: str) -> FileList:
        """The paths in a package of the current snapshot, or NotFound."""
        path = below(_ALL, name, "packages", arch, pkgname, "files")
        return await self._transport.call("GET", path, FileList)

    async def publish(
        self, name: str, file: Path, signature: bytes | None = None, *, allow_downgrade: bool = False
    ) -> PackageView:
        """Upload a package file with its detached binary signature; when this returns, clients can install it."""
        answer = await self._transport.exchange(
            "POST",
            below(_ALL, name, "packages"),
            params={"file_name": file.name, "allow_downgrade": allow_downgrade or None},
            body=pieces(file),
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(file.stat().st_size),
                **signed(signature),
            },
            wait=600,
        )
        return self._transport.decoded(answer, PackageView)

    async def remove(self, name: str, arch: str, pkgname: str) -> Snapshot:
        """Take a package out of the index; returns the snapshot without it."""
        return await self._transport.call("DELETE", below(_ALL, name, "packages", arch, pkgname), Snapshot)

    async def remove_all(self, name: str, removal: Removal) -> Snapshot:
        """Take packages out of the index, all of them or none; returns the snapshot without them."""
        return await self._transport.call("POST", below(_ALL, name, "removals"), Snapshot, send=removal)


def signed(signature: bytes | None) -> dict[str, str]:
    """The header in which a detached signature travels with its file."""
    return {} if signature is None else {"Package-Signature": base64.b64encode(signature).decode()}
