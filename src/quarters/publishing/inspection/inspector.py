"""Checks a repository while it is served, and repairs it if asked to."""

import asyncio
from collections.abc import AsyncIterator

import structlog

from quarters.formats.format import Format, Formats
from quarters.protocol.checks import Checked, Damage, Finding
from quarters.publishing.index import IndexWriter
from quarters.publishing.inspection.contents import Contents
from quarters.publishing.inspection.package import Examined, examine
from quarters.publishing.inspection.repairs import Repairs
from quarters.publishing.inspection.store import strays
from quarters.publishing.keys import KeyRing
from quarters.publishing.swap import Swap
from quarters.storage import inspection, repositories
from quarters.storage.database import Database
from quarters.storage.inspection import Registered
from quarters.storage.package_files import PackageFiles

_AT_ONCE = 100

log = structlog.get_logger(__name__)


class Inspector:
    """Reads every package once, one at a time; only the look at the indexes holds publishes up."""

    def __init__(
        self,
        database: Database,
        files: PackageFiles,
        index: IndexWriter,
        keys: KeyRing,
        formats: Formats,
        swap: Swap,
    ) -> None:
        self._database = database
        self._files = files
        self._index = index
        self._keys = keys
        self._formats = formats
        self._swap = swap

    async def check(self, repository: str, *, repair: bool, actor: str) -> Checked:
        """What is wrong with a repository; with `repair`, what can be mended is mended. NotFound."""
        found = await self._database.read(repositories.get, repository)
        format = self._formats[found.format]
        repairs = Repairs(self._database, self._files, self._index, self._keys, self._swap, format)
        stray = await strays(self._database, self._files)
        missing = await self._database.read(inspection.unregistered, repository)
        findings = stray.findings + [_unregistered(sha256) for sha256 in missing]
        if repair:
            await repairs.discard(stray.names)
            await repairs.register(missing)
        count = 0
        async for row in self._rows(repository):
            count += 1
            examined = await self._examined(repository, row, format)
            findings += examined.findings
            if repair and examined.findings:
                await repairs.package(row, examined)
        async with self._swap.lock(repository):
            await self._swap.tidied()
            contents = Contents(self._database, self._index, self._keys, self._swap.now())
            listing = await contents.check(repository, format)
            if repair:
                await repairs.relist(listing, stray.whole, actor)
        if repairs.done:
            await self._swap.look_again()
        findings += listing.findings
        if findings:
            log.warning("a check found damage", repository=repository, findings=len(findings))
        return Checked(
            repository=repository,
            snapshot=listing.number,
            packages=count,
            findings=tuple(findings),
            repairs=tuple(repairs.done),
        )

    async def _rows(self, repository: str) -> AsyncIterator[Registered]:
        after = ""
        while rows := await self._database.read(inspection.listed, repository, after, _AT_ONCE):
            for row in rows:
                yield row
            after = rows[-1].sha256

    async def _examined(self, repository: str, row: Registered, format: Format) -> Examined:
        path, trusted, now = self._files.path(row.sha256), self._keys.trusted(), self._swap.now()
        examined = await asyncio.to_thread(examine, row, path, format, trusted, now)
        if examined.findings and not await self._database.read(inspection.lists, repository, row.sha256):
            return Examined(findings=())  # expired meanwhile, and its file is gone with it
        return examined


def _unregistered(sha256: str) -> Finding:
    sentence = f"The package {sha256} is listed, but the row that describes it is missing."
    return Finding(damage=Damage.ROW_MISSING, subject=sha256, sentence=sentence)
