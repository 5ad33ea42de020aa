"""What clients fetch: index files, package files and their signatures, of the served or of any other snapshot."""

import asyncio
from contextlib import suppress
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from quarters.formats.format import Formats
from quarters.model.errors import NotFound
from quarters.model.repository import Compression, Repository
from quarters.publishing.index import SIGNATURE, IndexWriter
from quarters.publishing.keys import KeyRing
from quarters.storage import packages, repositories, snapshots
from quarters.storage.database import Database
from quarters.storage.package_files import PackageFiles


class Shelf:
    """Finds files; the modification time of an index file is the Last-Modified that its clients must be told."""

    def __init__(
        self, database: Database, files: PackageFiles, index: IndexWriter, keys: KeyRing, formats: Formats
    ) -> None:
        self._database = database
        self._files = files
        self._index = index
        self._keys = keys
        self._formats = formats

    async def find(self, repository: str, snapshot: int | None, arch: str, file_name: str) -> Path | bytes:
        """Whatever `file_name` is, as a file or (a package's signature) as bytes; NotFound."""
        found, dated = await self._database.read(_snapshot, repository, snapshot)
        name = self._index_name(found, file_name)
        if name is not None and arch in found.arches:
            return await self._index.file(found, dated.snapshot.number, dated.modified_at, arch, name)
        if file_name.endswith(SIGNATURE):
            return await self.signature(repository, snapshot, arch, file_name)
        return (await self.package_file(repository, snapshot, arch, file_name))[0]

    async def index_file(self, repository: str, snapshot: int | None, arch: str, file_name: str) -> Path:
        """An index file or its signature, under its own name or one that clients know it by; NotFound."""
        found, dated = await self._database.read(_snapshot, repository, snapshot)
        name = self._index_name(found, file_name)
        if arch not in found.arches or name is None:
            raise NotFound(f"{repository} has no index {file_name!r} for {arch}.")
        return await self._index.file(found, dated.snapshot.number, dated.modified_at, arch, name)

    def index_sizes(self, repository: Repository, number: int) -> dict[str, int]:
        """Bytes of each architecture's index in a snapshot, as far as it is on the disk; waits for that."""
        name = self._formats[repository.format].index_files(repository.name, repository.compression)[0]
        folder = dict(self._index.at_hand(repository)).get(number)
        if folder is None:
            return {}
        sizes = {}
        for arch in repository.arches:
            with suppress(FileNotFoundError):  # removed meanwhile, or made anew
                sizes[arch] = (folder / arch / name).stat().st_size
        return sizes

    async def package_file(
        self, repository: str, snapshot: int | None, arch: str, file_name: str
    ) -> tuple[Path, int]:
        """A package's file and its size; for a snapshot of None also one that is listed no more. NotFound."""
        sha256, size = await self._database.read(packages.find, repository, snapshot, arch, file_name)
        return self._files.path(sha256), size

    async def signature(self, repository: str, snapshot: int | None, arch: str, file_name: str) -> bytes:
        """The detached signature of the package that is called `file_name` without `.sig`; NotFound."""
        plain, current = file_name.removesuffix(SIGNATURE), self._keys.fingerprint

        def read(connection: Connection) -> tuple[str, bytes | None]:
            sha256, _ = packages.find(connection, repository, snapshot, arch, plain)
            policy = repositories.get(connection, repository)
            kept = policy.trusted_keys if policy.keep_signatures else ()
            return sha256, packages.signature(connection, sha256, [*kept, current])

        sha256, signature = await self._database.read(read)
        if signature is None:  # signed by another key so far
            signer = self._keys.signer()
            signature = await asyncio.to_thread(signer.sign_file, self._files.path(sha256))
            await self._database.write(packages.sign, sha256, signer.fingerprint, signature)
        return signature

    def is_index(self, repository: Repository, file_name: str) -> bool:
        """Whether an index file or its signature is called that, or known to clients by it."""
        # That of an old snapshot may be compressed otherwise.
        then = (msgspec.structs.replace(repository, compression=it) for it in Compression)
        return any(self._index_name(it, file_name) is not None for it in then)

    def _index_name(self, repository: Repository, file_name: str) -> str | None:
        aliases = self._formats[repository.format].index_aliases(repository.name, repository.compression)
        plain = file_name.removesuffix(SIGNATURE)
        name = aliases.get(plain, plain)
        if name not in aliases.values():
            return None
        return name + file_name[len(plain) :]


def _snapshot(
    connection: Connection, repository: str, number: int | None
) -> tuple[Repository, snapshots.Dated]:
    """The repository as it was compressed then, so that old indexes are made again as they were."""
    policy, dated = repositories.get(connection, repository), snapshots.get(connection, repository, number)
    return msgspec.structs.replace(policy, compression=dated.compression), dated
