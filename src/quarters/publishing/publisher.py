"""What people do to a repository's content: upload, remove, roll back, promote; each is one snapshot."""

import asyncio
from collections.abc import Collection
from pathlib import Path

from sqlalchemy import Connection

from quarters.model.errors import Conflict, Invalid, NotFound
from quarters.model.repository import Repository, Snapshot
from quarters.protocol.resources import PackageView, Promotion
from quarters.publishing.change import Change, Gathering, between
from quarters.publishing.intake import Intake
from quarters.publishing.repositories import view_of
from quarters.publishing.swap import Credit, Swap
from quarters.storage import packages, repositories, snapshots
from quarters.storage.database import Database


class Publisher:
    """Changes repositories by hand, with the same checks and the same swap as builds."""

    def __init__(self, database: Database, intake: Intake, swap: Swap) -> None:
        self._database = database
        self._intake = intake
        self._swap = swap

    async def recover(self) -> None:
        """Clear away what a killed process left; to be done once, before anybody publishes or fetches."""
        await self._intake.recover()
        await self._swap.recover()

    async def upload(self, repository: str, file_name: str, path: Path, actor: str) -> PackageView:
        """Publish the package file at `path`, which stays the caller's to remove; PackageInvalid, PublishRejected."""
        found = await self._database.read(repositories.get, repository)
        format = self._intake.formats[found.format]
        file = await asyncio.to_thread(format.read_package, path, file_name)
        async with self._swap.lock(repository):
            found = await self._database.read(repositories.get, repository)
            gathering = Gathering(
                found, await self._database.read(packages.standing, repository, [file.name]), format
            )
            if gathering.accept([file]):
                change = gathering.change([await self._intake.take(path, file)])
                await self._swap.publish(found, change, Credit(actor, f"upload of {file_name}"))
        arch = found.arches[0] if file.arch not in found.arches else file.arch
        return view_of(repository, await self._database.read(packages.get, repository, arch, file.name))

    async def remove(self, repository: str, arch: str, name: str, actor: str) -> Snapshot:
        """List a package no more for an architecture; NotFound."""
        async with self._swap.lock(repository):
            found = await self._database.read(repositories.get, repository)
            await self._database.read(packages.get, repository, arch, name)
            change = Change(gone=frozenset({(arch, name)}))
            return await self._swap.publish(found, change, Credit(actor, f"removal of {name} for {arch}"))

    async def rollback(self, repository: str, number: int, actor: str) -> Snapshot:
        """Serve again what the snapshot `number` listed, as a new snapshot; NotFound, Conflict if it is the served one."""
        async with self._swap.lock(repository):
            found, change = await self._database.read(_way_back, repository, number)
            return await self._swap.publish(found, change, Credit(actor, f"rollback to {number}"))

    async def promote(self, repository: str, promotion: Promotion, actor: str) -> Snapshot:
        """List packages of `repository` in another one too; no file is copied. PublishRejected where a check says no."""
        target = promotion.target
        if target == repository:
            raise Invalid("A repository cannot be promoted into itself.")
        async with self._swap.lock(target):
            found, wanted = await self._database.read(_wanted, repository, promotion)
            listed = await self._database.read(packages.standing, target, {it.file.name for it in wanted})
            gathering = Gathering(found, listed, self._intake.formats[found.format])
            for it in wanted:
                gathering.list(it)
            change = gathering.change([])
            if not change.put:
                raise Conflict(f"{target} has all of this already.")
            return await self._swap.publish(found, change, Credit(actor, f"promotion from {repository}"))


def _way_back(connection: Connection, name: str, number: int) -> tuple[Repository, Change]:
    repository = repositories.get(connection, name)
    current = repositories.current(connection, name)
    if number == current:
        raise Conflict(f"The snapshot {number} is the one that is served.")
    snapshots.get(connection, name, number)
    wanted = [it for it in snapshots.content(connection, name, number) if it.arch in repository.arches]
    return repository, between(snapshots.content(connection, name, current), wanted)


def _wanted(
    connection: Connection, name: str, promotion: Promotion
) -> tuple[Repository, list[packages.Listed]]:
    """The repository to promote into, and what is to be listed there."""
    source = repositories.get(connection, name)
    target = repositories.get(connection, promotion.target)
    if source.format != target.format:
        raise Invalid(f"{name} is a {source.format} repository, {target.name} a {target.format} one.")
    arches: Collection[str] = target.arches if promotion.arch is None else {promotion.arch}
    found = [
        it
        for it in packages.listed(connection, name)
        if it.arch in arches and (not promotion.packages or it.file.name in promotion.packages)
    ]
    if missing := sorted(set(promotion.packages).difference(it.file.name for it in found)):
        raise NotFound(f"{name} lists no {', '.join(missing)} for {', '.join(sorted(arches))}.")
    return target, found
