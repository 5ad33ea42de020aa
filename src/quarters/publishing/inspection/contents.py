"""What a repository lists: its entries, and the index files that are at hand, against each other."""

import asyncio
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from quarters.formats.format import Format
from quarters.model.repository import Compression, Repository
from quarters.protocol.checks import Damage, Finding
from quarters.publishing.index import IndexWriter
from quarters.publishing.inspection import index as indexes
from quarters.publishing.inspection.index import Expected
from quarters.publishing.keys import KeyRing
from quarters.storage import inspection, repositories, snapshots
from quarters.storage.database import Database
from quarters.storage.snapshots import Entry


class Lost(msgspec.Struct, frozen=True):
    """A package that a signed index lists and the rows do not."""

    arch: str
    name: str
    version: str


class Listing(msgspec.Struct, kw_only=True):
    """What was found in the snapshot that is served."""

    repository: Repository
    number: int
    findings: list[Finding] = []
    lost: list[Lost] = []
    misplaced: list[tuple[Entry, Entry]] = []
    """Entries as they are, and as they should be."""
    stale: bool = False
    """Whether index files have to be made anew."""


class Contents:
    """Looks at one repository; its lock must be held."""

    def __init__(self, database: Database, index: IndexWriter, keys: KeyRing, now: datetime) -> None:
        self._database = database
        self._index = index
        self._keys = keys
        self._now = now

    async def check(self, name: str, format: Format) -> Listing:
        """Everything that is wrong with what the repository lists."""
        listing = await self._database.read(_listing, name)
        for entry, right in listing.misplaced:
            sentence = (
                f"{entry.name} is listed for {entry.arch}, but its package is {right.name} for {right.arch}."
            )
            listing.findings.append(Finding(damage=Damage.ROW_DAMAGED, subject=entry.name, sentence=sentence))
        for compression in Compression:
            # Old snapshots keep the compression that they were published with.
            policy = msgspec.structs.replace(listing.repository, compression=compression)
            for number, folder in await asyncio.to_thread(self._index.at_hand, policy):
                for arch in policy.arches:
                    if (folder / arch).is_dir():
                        await self._files(listing, policy, number, folder / arch, format)
        for path in await asyncio.to_thread(self._index.strange, name):
            sentence = f"{path} does not belong among the indexes of {name}."
            listing.findings.append(Finding(damage=Damage.INDEX_EXTRA, subject=path.name, sentence=sentence))
            listing.stale = True
        return listing

    async def _files(
        self, listing: Listing, policy: Repository, number: int, folder: Path, format: Format
    ) -> None:
        name = listing.repository.name
        earliest, latest = await self._database.read(inspection.dated, name, number, folder.name)
        if latest is None:
            return  # of a snapshot that expired; nobody is served it
        subject = f"{listing.repository.name}@{number} for {folder.name}"
        try:
            fresh = await self._database.read(self._index.fresh, policy, number, folder.name)
        except (msgspec.MsgspecError, KeyError):
            sentence = f"The index of {subject} cannot be made from the rows, which are damaged."
            listing.findings.append(Finding(damage=Damage.ROW_DAMAGED, subject=subject, sentence=sentence))
            return
        expected = Expected(subject, fresh, self._keys.trusted(), earliest, latest, self._now)
        found = await asyncio.to_thread(indexes.examine, folder, expected, format)
        listing.findings += found
        listing.stale = listing.stale or bool(found)
        if number == listing.number and any(it.damage is Damage.INDEX_DAMAGED for it in found):
            await self._difference(listing, folder, expected, format)

    async def _difference(self, listing: Listing, folder: Path, expected: Expected, format: Format) -> None:
        """Which packages a well signed index lists and the rows do not: then it is the rows that lost something."""
        name = await asyncio.to_thread(indexes.signed, folder, expected)
        if name is None:
            return
        arch = folder.name
        published = await asyncio.to_thread(lambda: format.read_index((folder / name).read_bytes()))
        rows = await asyncio.to_thread(format.read_index, expected.index.files[name])
        there = {(it.name, it.version) for it in published}
        known = {(it.name, it.version) for it in rows}
        for package, version in sorted(there - known):
            sentence = f"{package} {version} for {arch} was published, but its row is missing."
            listing.findings.append(Finding(damage=Damage.ROW_MISSING, subject=package, sentence=sentence))
            if package not in {it.name for it in rows}:
                listing.lost.append(Lost(arch, package, version))
        for package, version in sorted(known - there):
            sentence = f"{package} {version} for {arch} has a row, but was never published."
            listing.findings.append(Finding(damage=Damage.ROW_EXTRA, subject=package, sentence=sentence))


def _listing(connection: Connection, name: str) -> Listing:
    found = snapshots.get(connection, name).snapshot
    listing = Listing(
        repository=repositories.get(connection, name),
        number=found.number,
        misplaced=inspection.misplaced(connection, name),
    )
    counted = inspection.counted(connection, name)
    if counted != found.packages:
        sentence = (
            f"Snapshot {found.number} of {name} lists {counted} packages, but should list {found.packages}."
        )
        subject = f"{name}@{found.number}"
        listing.findings.append(Finding(damage=Damage.ROW_DAMAGED, subject=subject, sentence=sentence))
    return listing
