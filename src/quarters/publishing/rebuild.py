"""Rebuilds a lost database from the package files, and from the signed indexes that say which repository lists them."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog
from sqlalchemy import Connection

from quarters.formats.format import Format, Formats, Listing
from quarters.model.errors import Conflict, Invalid, NotFound, PackageInvalid
from quarters.model.repository import Compression, PackageFile, Repository, Snapshot
from quarters.publishing.change import Change, between
from quarters.publishing.index import POLICY, SIGNATURE, IndexWriter
from quarters.publishing.keys import KeyRing
from quarters.publishing.signing import verification
from quarters.publishing.swap import Credit, Swap
from quarters.storage import packages, repositories, snapshots
from quarters.storage.database import Database
from quarters.storage.package_files import PackageFiles
from quarters.storage.packages import Addition
from quarters.storage.snapshots import Entry

_AT_ONCE = 200
_ACTOR = "restore"
_NOTE = "rebuilt from the package files"

log = structlog.get_logger(__name__)


class Remains(msgspec.Struct, frozen=True):
    """What signed index files say that a snapshot listed."""

    number: int
    made_at: datetime
    listed: Mapping[str, Sequence[Listing]]
    """By architecture."""
    compression: Compression = Compression.GZIP


class Found(msgspec.Struct, frozen=True):
    """A repository as its indexes have it, its snapshots oldest first; its `policy` may be all defaults but names."""

    repository: Repository
    snapshots: Sequence[Remains]
    policy: bool


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """A repository that is there again; `lost` are the files that its index names and that are missing or damaged."""

    name: str
    snapshot: int
    packages: int
    lost: tuple[str, ...] = ()
    policy: bool = True
    """Whether its policy was found too; else it has the defaults."""


class Rebuilding(msgspec.Struct, frozen=True, kw_only=True):
    """What was rebuilt, and how many package files no index names."""

    repositories: tuple[Rebuilt, ...]
    unlisted: int


class Rebuilder:
    """Fills an empty database; nobody else may use the data folder meanwhile."""

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

    async def rebuild(self, repository: str | None = None) -> Rebuilding:
        """List again what the indexes list or, in one `repository`, the newest version of every package there is.

        Conflict unless the database is empty, NotFound where there is nothing to rebuild from.
        """
        if await self._database.read(repositories.currents):
            raise Conflict("The database is not lost: there are repositories in it.")
        if repository is None:
            found = await asyncio.to_thread(lambda: list(self._found()))
            if not found:
                raise NotFound(
                    "No whole and well signed index is left; name a --repository, and the newest version of every package "
                    "that is there will be listed in it."
                )
            named = {it.sha256: it.file_name for one in found for it in _listings(one.snapshots)}
            there = await self._register(named)
        else:
            one, there = await self._everything(repository)
            found, named = [one], dict.fromkeys(there, "")
        await self._database.write(_restore, found, there, self._swap.now())
        done = [await self._publish(one, there) for one in found]
        stored = await asyncio.to_thread(self._stored)
        return Rebuilding(repositories=tuple(done), unlisted=len(stored - named.keys()))

    def _found(self) -> Iterator[Found]:
        for name, folders in self._index.remains().items():
            if "~" in name:
                continue  # of a rebuild that was not complete, and whose builds are forgotten
            kept = [it for number, folder in folders if (it := self._read(name, number, folder)) is not None]
            if not kept:
                log.warning("no index of a repository is whole and well signed", repository=name)
                continue
            whole = dict(folders)[kept[0].number]
            policy = _policy(whole / POLICY)
            compression = Compression(whole.name.split("-")[1])
            plain = Repository(name=name, arches=tuple(kept[0].listed), compression=compression)
            yield Found(policy or plain, kept[::-1], policy is not None)

    def _read(self, name: str, number: int, folder: Path) -> Remains | None:
        """What an index lists, None unless each file of it is whole."""
        listed: dict[str, Sequence[Listing]] = {}
        times = []
        try:
            compression = Compression(folder.name.split("-")[1])
            for path in sorted(it for it in folder.iterdir() if it.is_dir()):
                for format in self._formats.values():
                    file = path / format.index_files(name, compression)[0]
                    if file.is_file():
                        listed[path.name] = self._signed(file, format)
                        times.append(file.stat().st_mtime)
        except (OSError, ValueError, Invalid) as error:
            log.warning("an index is of no use", folder=str(folder), why=str(error))
            return None
        if not listed:
            return None
        return Remains(number, datetime.fromtimestamp(max(times), UTC), listed, compression)

    def _signed(self, file: Path, format: Format) -> Sequence[Listing]:
        content = file.read_bytes()
        signature = file.with_name(f"{file.name}{SIGNATURE}").read_bytes()
        verification.check(content, signature, self._keys.trusted(), self._swap.now())
        return format.read_listing(content)

    async def _register(self, named: Mapping[str, str]) -> dict[str, PackageFile]:
        """Describe and sign the packages whose files are whole, by sha256; without their index parts."""
        there: dict[str, PackageFile] = {}
        sha256s = sorted(named)
        for start in range(0, len(sha256s), _AT_ONCE):
            some = {sha256: named[sha256] for sha256 in sha256s[start : start + _AT_ONCE]}
            additions = await asyncio.to_thread(self._additions, some)
            await self._database.write(packages.add, additions, self._swap.now())
            there |= {it.file.sha256: msgspec.structs.replace(it.file, index={}) for it in additions}
        return there

    def _additions(self, named: Mapping[str, str]) -> list[Addition]:
        additions = []
        for sha256, file_name in named.items():
            path = self._files.path(sha256)
            file = self._identified(path, file_name) if path.is_file() else None
            if file is not None and file.sha256 == sha256:
                signer = self._keys.signer()
                signature = signer.sign_file(path)
                additions.append(Addition(file=file, signatures={signer.fingerprint: signature}))
        return additions

    def _identified(self, path: Path, file_name: str) -> PackageFile | None:
        for format in self._formats.values():
            try:
                return format.read_package(path, file_name) if file_name else format.identify_package(path)
            except PackageInvalid:
                continue
        return None

    async def _everything(self, name: str) -> tuple[Found, dict[str, PackageFile]]:
        there = await self._register(dict.fromkeys(await asyncio.to_thread(self._stored), ""))
        arches = sorted({it.arch for it in there.values()} - {"any"})
        if not arches:
            raise NotFound("There is no package file of any architecture to rebuild a repository from.")
        repository = Repository(name=name, arches=tuple(arches))
        format = self._formats[repository.format]
        listed: dict[str, dict[str, PackageFile]] = {arch: {} for arch in arches}
        for file in there.values():
            for arch in arches if file.arch == "any" else (file.arch,):
                known = listed[arch].get(file.name)
                if known is None or format.compare(file.version, known.version) > 0:
                    listed[arch][file.name] = file
        remains = {arch: [_listing(it) for it in files.values()] for arch, files in listed.items()}
        return Found(repository, [Remains(1, self._swap.now(), remains)], policy=False), there

    def _stored(self) -> set[str]:
        return {name for folder in self._files.folders() for name in self._files.within(folder)}

    async def _publish(self, found: Found, there: Mapping[str, PackageFile]) -> Rebuilt:
        """Serve a new snapshot: what was listed and is lost is not in it."""
        repository = found.repository
        async with self._swap.lock(repository.name):
            await asyncio.to_thread(self._index.drop, repository.name)
            made = await self._swap.publish(repository, Change(), Credit(_ACTOR, _NOTE))
        lost = {it.file_name for it in _listings(found.snapshots[-1:]) if it.sha256 not in there}
        return Rebuilt(
            name=repository.name,
            snapshot=made.number,
            packages=made.packages,
            lost=tuple(sorted(lost)),
            policy=found.policy,
        )


def _restore(
    connection: Connection, found: Sequence[Found], there: Mapping[str, PackageFile], now: datetime
) -> None:
    """Rows of repositories and of the snapshots that are known, with the numbers that they had."""
    for one in found:
        name, before = one.repository.name, list[Entry]()
        repositories.add(connection, one.repository, now)
        for it in one.snapshots:
            listed = [
                Entry(arch, listing.name, listing.sha256)
                for arch, listings in it.listed.items()
                for listing in listings
                if listing.sha256 in there and arch in one.repository.arches
            ]
            change = between(before, listed)
            snapshots.record(connection, name, it.number, change.put, change.gone)
            made = Snapshot(
                repository=name,
                number=it.number,
                created_at=it.made_at,
                actor=_ACTOR,
                note=_NOTE,
                packages=len(listed),
            )
            snapshots.add(connection, made, it.made_at, it.compression)
            before = listed
        repositories.serve(connection, name, one.snapshots[-1].number)


def _listings(found: Iterable[Remains]) -> Iterator[Listing]:
    for it in found:
        for listings in it.listed.values():
            yield from listings


def _listing(file: PackageFile) -> Listing:
    return Listing(file.file_name, file.name, file.version, file.arch, file.size, file.sha256, b"")


def _policy(path: Path) -> Repository | None:
    """What was known of a repository, unless the file is lost too."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Repository)
    except (OSError, msgspec.DecodeError):
        return None
