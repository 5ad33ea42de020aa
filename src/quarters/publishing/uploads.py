"""Packages that people upload: those that arrive while an index is being written go into the next one together."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec

from quarters.model.errors import PublishRejected, QuartersError
from quarters.model.repository import PackageFile, Repository
from quarters.protocol.resources import PackageView
from quarters.publishing import trust
from quarters.publishing.change import Gathering
from quarters.publishing.intake import Intake
from quarters.publishing.repositories import view_of
from quarters.publishing.swap import Credit, Swap, told
from quarters.storage import packages, repositories
from quarters.storage.database import Database


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What an uploader asks for and brings beside the file; what the server made itself is `vouched` for."""

    allow_downgrade: bool = False
    signature: bytes | None = None
    vouched: bool = False


PLAIN = Terms()


class _Upload(msgspec.Struct, eq=False):
    """A package that waits to be published; `settled` once it is, or cannot be because of `error`."""

    path: Path
    file: PackageFile
    actor: str
    allow_downgrade: bool
    signatures: dict[str, bytes]
    settled: bool = False
    error: Exception | None = None


class Uploads:
    """Takes packages by hand; whoever's turn it is publishes for all who wait, and each has its own answer."""

    def __init__(self, database: Database, intake: Intake, swap: Swap) -> None:
        self._database = database
        self._intake = intake
        self._swap = swap
        self._waiting: defaultdict[str, list[_Upload]] = defaultdict(list)

    async def take(
        self, repository: str, file_name: str, path: Path, actor: str, terms: Terms
    ) -> PackageView:
        """Publish the package file at `path`, which stays the caller's to remove; PackageInvalid, PublishRejected."""
        found = await self._database.read(repositories.get, repository)
        signatures = await asyncio.to_thread(self._checked, found, path, terms)
        format = self._intake.formats[found.format]
        file = await asyncio.to_thread(format.read_package, path, file_name)
        upload = _Upload(path, file, actor, terms.allow_downgrade, signatures)
        self._waiting[repository].append(upload)
        try:
            async with self._swap.lock(repository):
                if not upload.settled:
                    await self._settle(repository, [it for it in self._waiting[repository] if not it.settled])
        finally:
            self._waiting[repository].remove(upload)
        if upload.error is not None:
            raise upload.error
        for key, data in signatures.items():  # also where the same file was there before
            await self._database.write(packages.sign, file.sha256, key, data)
        arch = found.arches[0] if file.arch not in found.arches else file.arch
        return view_of(repository, await self._database.read(packages.get, repository, arch, file.name))

    def _checked(self, repository: Repository, path: Path, terms: Terms) -> dict[str, bytes]:
        if terms.vouched:
            return {}
        return trust.checked(repository, path, terms.signature, self._swap.now())

    async def _settle(self, repository: str, group: Sequence[_Upload]) -> None:
        try:
            await self._publish(repository, group)
        except (QuartersError, OSError) as error:
            for upload in group:
                upload.error = upload.error or error
        for upload in group:
            upload.settled = True

    async def _publish(self, name: str, group: Sequence[_Upload]) -> None:
        repository = await self._database.read(repositories.get, name)
        listed = await self._database.read(packages.standing, name, {it.file.name for it in group})
        gathering = Gathering(repository, listed, self._intake.formats[repository.format])
        accepted: dict[str, _Upload] = {}
        for upload in group:
            try:
                taken = gathering.accept([upload.file], allow_downgrade=upload.allow_downgrade)
            except PublishRejected as error:
                upload.error = error
            else:
                accepted |= dict.fromkeys(taken, upload)
        if accepted:
            its = accepted.values()
            change = gathering.change(
                await asyncio.gather(
                    *(self._intake.take(it.path, it.file, signatures=it.signatures) for it in its)
                )
            )
            actors, files = sorted({it.actor for it in its}), [it.file.file_name for it in its]
            await self._swap.publish(repository, change, Credit(told(actors), f"upload of {told(files)}"))
