"""Packages that people upload: those that arrive while an index is being written go into the next one together."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

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

_PAUSE = 0.02
_PATIENCE = 0.5
"""Seconds that a publish waits for packages that are being read, from one to the next and in all: another index for those
that come a moment later costs more."""


class _Upload(msgspec.Struct, eq=False):
    """A package that waits to be published; `settled` once it is, or cannot be because of `error`."""

    path: Path
    file: PackageFile
    arches: tuple[str, ...]
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
        self._reading: dict[asyncio.Task[_Upload], str] = {}

    async def take(
        self, repository: str, file_name: str, path: Path, actor: str, terms: Terms
    ) -> PackageView:
        """Publish the package file at `path`, which stays the caller's to remove; PackageInvalid, PublishRejected."""
        reading = asyncio.create_task(self._read(repository, file_name, path, actor, terms))
        self._reading[reading] = repository
        reading.add_done_callback(self._reading.pop)
        upload = await reading
        self._waiting[repository].append(upload)
        try:
            async with self._swap.lock(repository):
                if not upload.settled:
                    await self._others_read(repository)
                    await self._settle(repository, [it for it in self._waiting[repository] if not it.settled])
        finally:
            self._waiting[repository].remove(upload)
        if upload.error is not None:
            raise upload.error
        file, arches = upload.file, upload.arches
        for key, data in upload.signatures.items():  # also where the same file was there before
            await self._database.write(packages.sign, file.sha256, key, data)
        arch = arches[0] if file.arch not in arches else file.arch
        return view_of(repository, await self._database.read(packages.get, repository, arch, file.name))

    async def _read(self, repository: str, file_name: str, path: Path, actor: str, terms: Terms) -> _Upload:
        found = await self._database.read(repositories.get, repository)

        def read() -> _Upload:
            signatures = self._checked(found, path, terms)
            file = self._intake.formats[found.format].read_package(path, file_name)
            return _Upload(path, file, found.arches, actor, terms.allow_downgrade, signatures)

        return await asyncio.to_thread(read)

    def _checked(self, repository: Repository, path: Path, terms: Terms) -> dict[str, bytes]:
        if terms.vouched:
            return {}
        return trust.checked(repository, path, terms.signature, self._swap.now())

    async def _others_read(self, repository: str) -> None:
        """Wait for packages that are being read, as long as they come quickly, so that they are published along."""
        until = monotonic() + _PATIENCE
        while others := [task for task, its in self._reading.items() if its == repository]:
            done, _ = await asyncio.wait(others, timeout=_PAUSE, return_when=asyncio.FIRST_COMPLETED)
            if not done or monotonic() > until:
                return

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
        names = {it.file.name for it in group}
        format = self._intake.formats[repository.format]
        gathering = await self._database.read(Gathering.of, repository, names, format)
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
