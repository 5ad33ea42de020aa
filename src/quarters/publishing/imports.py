"""Whole repositories that come in: weighed beforehand, sent file by file, and listed in one snapshot."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from sqlalchemy import Connection

from quarters.formats.format import Format
from quarters.model.errors import Invalid, PublishRejected
from quarters.model.names import arch_name, package_name
from quarters.model.repository import PackageFile, Repository
from quarters.protocol.imports import Held, Import, Imported, Offer, Offered, Refused, Verdict, Weighed
from quarters.publishing import trust
from quarters.publishing.change import Gathering
from quarters.publishing.intake import Intake
from quarters.publishing.swap import Credit, Swap, told
from quarters.publishing.verify import Delivered, arches_of, check_delivered
from quarters.storage import garbage, packages, repositories
from quarters.storage.database import Database
from quarters.storage.package_files import PackageFiles

_TOLD = 10
"""Files that a refusal names."""


class Imports:
    """Takes packages of another repository in; killed at any moment, what was sent is there for the next try."""

    def __init__(self, database: Database, files: PackageFiles, intake: Intake, swap: Swap) -> None:
        self._database = database
        self._files = files
        self._intake = intake
        self._swap = swap

    async def weigh(self, name: str, offer: Offer) -> tuple[Weighed, ...]:
        """What an import would do with each package, in their order; NotFound."""
        repository = await self._database.read(repositories.get, name)
        sha256s = [it.sha256 for it in offer.packages]
        here = (await self._held(sha256s)).keys()
        signed = await self._database.read(packages.signed, sha256s, repository.trusted_keys)
        format = self._intake.formats[repository.format]
        gathering = await self._gathering(repository, offer.packages)

        def verdict(offered: Offered) -> Weighed:
            try:
                _check_offered(offered, format)
                fresh = gathering.accept([_outline(offered)], allow_downgrade=offer.allow_downgrade)
            except Invalid as error:
                return Weighed(file_name=offered.file_name, verdict=Verdict.REFUSED, reason=str(error))
            lacking = offered.signed and repository.trusted_keys and offered.sha256 not in signed
            if lacking or (fresh and not _usable(offered.sha256, here, signed, repository)):
                return Weighed(file_name=offered.file_name, verdict=Verdict.WANTED)
            return Weighed(file_name=offered.file_name, verdict=Verdict.HELD if fresh else Verdict.LISTED)

        return tuple(map(verdict, offer.packages))

    async def take(self, name: str, announced: Delivered, path: Path, signature: bytes | None) -> Held:
        """Keep the file at `path`, the caller's to remove, without listing it; PackageInvalid, PublishRejected."""
        repository = await self._database.read(repositories.get, name)
        format = self._intake.formats[repository.format]
        file = await asyncio.to_thread(format.read_package, path, announced.file_name)
        check_delivered(announced, file)
        arches_of(file, repository.arches, name)
        now = self._swap.now()
        signatures = await asyncio.to_thread(trust.checked, repository, path, signature, now)
        addition = await self._intake.take(path, file, signatures=signatures)

        def add(connection: Connection) -> None:
            packages.add(connection, [addition], now)

        await self._database.write(add)
        return Held(file_name=file.file_name, sha256=file.sha256)

    async def publish(self, name: str, wanted: Import, actor: str) -> Imported:
        """List all that is here of `wanted` in one snapshot; NotFound, PublishRejected if not all can be that are to."""
        sha256s = list(dict.fromkeys(wanted.packages))
        async with self._swap.lock(name):
            # From now on nobody removes them for as long as the grace is.
            await self._database.write(garbage.spare, *sha256s)
            repository = await self._database.read(repositories.get, name)
            here = await self._held(sha256s)
            signed = await self._database.read(packages.signed, sha256s, repository.trusted_keys)
            gathering = await self._gathering(repository, here.values())
            refused, fresh = [], 0
            for sha256 in sha256s:
                file = here.get(sha256)
                try:
                    if file is None or not _usable(sha256, here, signed, repository):
                        raise PublishRejected("It was not sent, or not with the signature that it needs.")
                    fresh += len(gathering.accept([file], allow_downgrade=wanted.allow_downgrade))
                except PublishRejected as error:
                    refused.append(Refused(file_name=file.file_name if file else sha256, reason=str(error)))
            if refused and wanted.whole:
                why = " ".join(f"{it.file_name}: {it.reason}" for it in refused[:_TOLD])
                raise PublishRejected(f"Nothing is published, since not all can be. {why}")
            change = gathering.change([])
            snapshot = None
            if change.put:
                names = told([file.file_name for file in here.values()])
                note = f"upload of {names}" if wanted.whole else f"import of {fresh} packages"
                credit = Credit(actor, note)
                snapshot = await self._swap.publish(repository, change, credit)
        return Imported(repository=name, packages=fresh, refused=tuple(refused), snapshot=snapshot)

    async def _held(self, sha256s: Sequence[str]) -> dict[str, PackageFile]:
        """Those packages whose files are here, by sha256."""
        known = await self._database.read(packages.known, sha256s)

        def here() -> dict[str, PackageFile]:
            return {sha256: file for sha256, file in known.items() if self._files.path(sha256).exists()}

        return await asyncio.to_thread(here)

    async def _gathering(self, repository: Repository, files: Iterable[Offered | PackageFile]) -> Gathering:
        names, format = {it.name for it in files}, self._intake.formats[repository.format]
        return await self._database.read(Gathering.of, repository, names, format)


def _usable(sha256: str, here: Collection[str], signed: Collection[str], repository: Repository) -> bool:
    return sha256 in here and (not repository.require_signature or sha256 in signed)


def _check_offered(offered: Offered, format: Format) -> None:
    package_name(offered.name)
    arch_name(offered.arch)
    if not format.accepts_file_name(offered.file_name):
        raise PublishRejected(f"{offered.file_name!r} is not the name of a package of this format.")


def _outline(offered: Offered) -> PackageFile:
    """As much of a package file as the rules for what takes whose place look at."""
    return PackageFile(
        file_name=offered.file_name,
        size=0,
        sha256=offered.sha256,
        name=offered.name,
        base=offered.name,
        version=offered.version,
        arch=offered.arch,
        index={},
    )
