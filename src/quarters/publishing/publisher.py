"""What people do to a repository's content: upload, remove, roll back; each is one snapshot."""

from pathlib import Path

from sqlalchemy import Connection

from quarters.model.errors import Conflict, NotFound
from quarters.model.names import package_name
from quarters.model.repository import Repository, Snapshot
from quarters.model.selector import Selector
from quarters.protocol.resources import PackageView
from quarters.protocol.snapshots import Removal
from quarters.publishing.change import Change, between
from quarters.publishing.intake import Intake
from quarters.publishing.swap import Credit, Swap, told
from quarters.publishing.uploads import PLAIN, Terms, Uploads
from quarters.storage import history, packages, repositories, snapshots
from quarters.storage.database import Database


class Publisher:
    """Changes repositories by hand, with the same checks and the same swap as builds."""

    def __init__(self, database: Database, intake: Intake, swap: Swap) -> None:
        self._database = database
        self._intake = intake
        self._swap = swap
        self._uploads = Uploads(database, intake, swap)

    async def recover(self) -> None:
        """Clear away what a killed process left; to be done once, before anybody publishes or fetches."""
        await self._intake.recover()
        await self._swap.recover()

    async def upload(
        self, repository: str, file_name: str, path: Path, actor: str, terms: Terms = PLAIN
    ) -> PackageView:
        """Publish the package file at `path`, which stays the caller's to remove; PackageInvalid, PublishRejected."""
        return await self._uploads.take(repository, file_name, path, actor, terms)

    async def remove(self, repository: str, arch: str, name: str, actor: str) -> Snapshot:
        """List a package no more for an architecture; NotFound."""
        return await self.remove_all(repository, Removal(packages=(name,), arch=arch), actor)

    async def remove_all(self, repository: str, removal: Removal, actor: str) -> Snapshot:
        """List packages no more, all from one snapshot on; Invalid, NotFound if any of them is not listed."""
        arch, names = removal.arch, set(map(package_name, removal.packages))
        where = f" for {arch}" if arch else ""
        async with self._swap.lock(repository):
            found = await self._database.read(repositories.get, repository)
            listed = await self._database.read(packages.standing, repository, names)
            gone = frozenset((it.arch, it.file.name) for it in listed if arch in (None, it.arch))
            if missing := sorted(names.difference(name for _, name in gone)):
                raise NotFound(f"{repository} lists no package {', '.join(map(repr, missing))}{where}.")
            credit = Credit(actor, f"removal of {told(sorted(names))}{where}")
            return await self._swap.publish(found, Change(gone=gone), credit)

    async def rollback(self, repository: str, which: Selector, actor: str) -> Snapshot:
        """Serve again what a snapshot listed, as a new snapshot; NotFound, Conflict if it is the served one."""
        async with self._swap.lock(repository):
            number = await self._database.read(history.number, repository, which)
            found, change = await self._database.read(_way_back, repository, number)
            return await self._swap.publish(found, change, Credit(actor, f"rollback to {number}"))


def _way_back(connection: Connection, name: str, number: int) -> tuple[Repository, Change]:
    repository = repositories.get(connection, name)
    current = repositories.current(connection, name)
    if number == current:
        raise Conflict(f"The snapshot {number} is the one that is served.")
    snapshots.get(connection, name, number)
    wanted = [it for it in snapshots.content(connection, name, number) if it.arch in repository.arches]
    return repository, between(snapshots.content(connection, name, current), wanted)
