"""What clients of a repository have to trust: as one file, and as a package that keeps itself up to date."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from pysequoia import Cert
from sqlalchemy import Connection

from quarters.formats.format import Formats, Keyring
from quarters.model.repository import Repository
from quarters.protocol.resources import PackageView
from quarters.publishing.keys import KeyRing
from quarters.publishing.publisher import Publisher
from quarters.publishing.repositories import view_of
from quarters.publishing.signing import certificates
from quarters.publishing.uploads import Terms
from quarters.storage import packages, repositories
from quarters.storage.database import Database
from quarters.storage.packages import Listed


class KeyringPackage(NamedTuple):
    """A package file that is not in any repository yet."""

    file_name: str
    content: bytes


class Keyrings:
    """Keyrings of repositories: all keys that sign or are about to and, if they are served, those of uploaders."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        publisher: Publisher,
        formats: Formats,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._keys = keys
        self._publisher = publisher
        self._formats = formats
        self._now = now

    async def binary(self, repository: str) -> bytes:
        """The keys as `pacman-key --add` and `gpg --import` take them; NotFound."""
        found = await self._database.read(repositories.get, repository)
        return b"".join(bytes(cert) for cert in trusted(found, self._keys))

    async def package(self, repository: str) -> KeyringPackage:
        """A keyring package of today; NotFound."""
        found, _ = await self._database.read(_published, repository)
        today = self._now()
        return self._package(found, _version(today, 1), _midnight(today))

    async def publish(self, repository: str, actor: str) -> PackageView:
        """Publish the keyring package, unless the published one holds the same keys; NotFound, PublishRejected."""
        found, listed = await self._database.read(_published, repository)
        today, release = self._now(), 1
        if listed is not None:
            day, _, old = listed.file.version.partition("-")
            same = self._package(found, listed.file.version, listed.file.build_date)
            if hashlib.sha256(same.content).hexdigest() == listed.file.sha256:
                return view_of(repository, listed)
            release = int(old) + 1 if day == f"{today:%Y%m%d}" else 1
        made = self._package(found, _version(today, release), _midnight(today))
        with NamedTemporaryFile() as target:
            target.write(made.content)
            target.flush()
            path = Path(target.name)
            return await self._publisher.upload(repository, made.file_name, path, actor, Terms(vouched=True))

    def _package(self, repository: Repository, version: str, made_at: int) -> KeyringPackage:
        keyring = Keyring(
            name=repository.name,
            version=version,
            made_at=made_at,
            trusted=_by_fingerprint(trusted(repository, self._keys)),
            revoked=_by_fingerprint(self._keys.retired()),
        )
        return KeyringPackage(*self._formats[repository.format].keyring_package(keyring))


def trusted(repository: Repository, keys: KeyRing) -> list[Cert]:
    """What its clients have to trust."""
    uploaders = repository.trusted_keys.values() if repository.keep_signatures else ()
    return [*keys.trusted(), *(Cert.from_bytes(armored.encode()) for armored in uploaders)]


def armored(repository: Repository, keys: KeyRing) -> str:
    """The same in ASCII armour."""
    return "\n".join(map(str, trusted(repository, keys)))


def _by_fingerprint(certs: Iterable[Cert]) -> dict[str, bytes]:
    return {certificates.fingerprint(cert): bytes(cert) for cert in certs}


def _version(day: datetime, release: int) -> str:
    return f"{day:%Y%m%d}-{release}"


def _midnight(day: datetime) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _published(connection: Connection, name: str) -> tuple[Repository, Listed | None]:
    repository = repositories.get(connection, name)
    listed = packages.standing(connection, name, [f"{name}-keyring"])
    return repository, listed[0] if listed else None
