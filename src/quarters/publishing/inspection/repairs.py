"""Mends what a check found: rows from files, signatures anew, indexes from rows; what is gone is listed no more."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from quarters.formats.format import Format
from quarters.model.errors import PackageInvalid
from quarters.model.repository import PackageFile
from quarters.publishing.change import Change
from quarters.publishing.index import IndexWriter
from quarters.publishing.inspection.contents import Listing, Lost
from quarters.publishing.inspection.package import Examined
from quarters.publishing.keys import KeyRing
from quarters.publishing.swap import Credit, Swap
from quarters.storage import inspection, packages, snapshots
from quarters.storage.database import Database
from quarters.storage.inspection import Registered
from quarters.storage.package_files import PackageFiles
from quarters.storage.packages import Addition
from quarters.storage.snapshots import Entry


class Repairs:
    """The repairs of one check; `done` says in sentences what they were."""

    def __init__(
        self,
        database: Database,
        files: PackageFiles,
        index: IndexWriter,
        keys: KeyRing,
        swap: Swap,
        format: Format,
    ) -> None:
        self._database = database
        self._files = files
        self._index = index
        self._keys = keys
        self._swap = swap
        self._format = format
        self._gone: dict[str, str] = {}
        self._corrected = False
        self.done: list[str] = []

    async def discard(self, names: Iterable[str]) -> None:
        """Remove what does not belong in the store."""
        for name in names:
            await asyncio.to_thread(self._files.discard, name)
            self.done.append(f"{name} was removed from the store.")

    async def register(self, sha256s: Iterable[str]) -> None:
        """Describe packages anew whose rows are missing, as far as their files are there."""
        for sha256 in sha256s:
            file = await self._identified(sha256)
            if file is None:
                self._gone[sha256] = sha256
                continue
            await self._database.write(packages.add, [await self._signed(file)], self._swap.now())
            self._corrected = True
            self.done.append(f"{file.file_name} was registered again.")

    async def package(self, row: Registered, examined: Examined) -> None:
        """Correct a package's row and signatures, or note that its file is of no use."""
        file = examined.file
        if file is None:
            self._gone[row.sha256] = row.file_name
            return
        if not row.says(file):
            await self._database.write(inspection.correct, file)
            self._corrected = True
            self.done.append(f"The row of {file.file_name} was made anew from its file.")
        if examined.bad_keys or not row.signatures:
            made = await self._signed(file)
            ((key, signature),) = made.signatures.items()
            await self._database.write(inspection.sign, file.sha256, examined.bad_keys, key, signature)
            self.done.append(f"{file.file_name} was signed anew.")

    async def relist(self, listing: Listing, strays: Sequence[str], actor: str) -> None:
        """Make the index what rows and files have, with a new snapshot where that is another content."""
        name = listing.repository.name
        found = await self._found(name, listing.lost, strays)
        change, dropped = await self._database.read(self._change, listing, found)
        if listing.stale or self._corrected or self._gone:
            # A publish takes over what it finds there, and all of it is in doubt.
            await asyncio.to_thread(self._index.drop, name)
            self.done.append(f"The index of {name} is made anew.")
        if not (change.put or change.gone or self._gone):
            if listing.findings:
                await self._database.write(inspection.recount, name, listing.number)
            await self._serve(listing)
            return

        def along(connection: Connection, _now: datetime) -> None:
            inspection.drop(connection, name, self._gone)

        notes = [f"{what} was lost" for what in dropped] + [f"{entry.name} came back" for entry, _ in found]
        notes += [f"{entry.name} is {right.name}" for entry, right in listing.misplaced]
        note = f"repair: {', '.join(sorted(set(notes))) or 'older snapshots'}"
        snapshot = await self._swap.publish(listing.repository, change, Credit(actor, note), along)
        # It was counted from the snapshot before, whose rows were not what they should be.
        await self._database.write(inspection.recount, name, snapshot.number)
        self.done.append(f"{name} has a new snapshot ({note}).")
        for sha256 in self._gone:
            # A damaged file would be in the way of the same package when it is published again.
            await asyncio.to_thread(self._files.remove, sha256)

    async def _serve(self, listing: Listing) -> None:
        """Have the index of what is served on the disk: should the database be lost, it is what tells of it."""
        served = await self._database.read(snapshots.get, listing.repository.name)
        repository = msgspec.structs.replace(listing.repository, compression=served.compression)
        await self._index.file(repository, listing.number, served.modified_at, repository.arches[0], "")

    def _change(
        self, connection: Connection, listing: Listing, found: Sequence[tuple[Entry, Addition | None]]
    ) -> tuple[Change, list[str]]:
        """What is to be listed otherwise, and the names of what is gone."""
        served = snapshots.content(connection, listing.repository.name, listing.number)
        lost = [entry for entry in served if entry.sha256 in self._gone]
        wrong = [entry for entry, _ in listing.misplaced]
        taken = {(entry.arch, entry.name) for entry in served} - {
            (it.arch, it.name) for it in (*lost, *wrong)
        }
        right = [
            entry
            for entry in (*(it for _, it in listing.misplaced), *(it for it, _ in found))
            if (entry.arch, entry.name) not in taken
            and entry.arch in listing.repository.arches
            and entry.sha256 not in self._gone
        ]
        change = Change(
            put=tuple({(it.arch, it.name): it for it in right}.values()),
            gone=frozenset((it.arch, it.name) for it in (*lost, *wrong)),
            additions=tuple(addition for _, addition in found if addition is not None),
        )
        return change, [self._gone[entry.sha256] for entry in lost]

    async def _found(
        self, name: str, lost: Sequence[Lost], strays: Sequence[str]
    ) -> list[tuple[Entry, Addition | None]]:
        """The packages among rows and stray files that a well signed index names and no row lists."""
        found: list[tuple[Entry, Addition | None]] = []
        unknown: list[Lost] = []
        for it in lost:
            known = await self._database.read(inspection.named, it.arch, [(it.name, it.version)])
            if it.name in known and self._files.path(known[it.name]).is_file():
                found.append((Entry(it.arch, it.name, known[it.name]), None))
            else:
                unknown.append(it)
        for sha256 in strays if unknown else ():
            file = await self._identified(sha256)
            for it in unknown:
                if file is not None and _is(file, it):
                    found.append((Entry(it.arch, it.name, sha256), await self._signed(file)))
        return found

    async def _identified(self, sha256: str) -> PackageFile | None:
        try:
            file = await asyncio.to_thread(self._format.identify_package, self._files.path(sha256))
        except (PackageInvalid, OSError):
            return None
        return file if file.sha256 == sha256 else None

    async def _signed(self, file: PackageFile) -> Addition:
        path, signer = self._files.path(file.sha256), self._keys.signer()
        signature = await asyncio.to_thread(signer.sign_file, path)
        return Addition(file=file, signatures={signer.fingerprint: signature})


def _is(file: PackageFile, lost: Lost) -> bool:
    return (file.name, file.version) == (lost.name, lost.version) and file.arch in (lost.arch, "any")
