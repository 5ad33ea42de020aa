"""Whom a repository trusts to sign what they upload."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
from pysequoia import Cert
from sqlalchemy import Connection

from quarters.model.errors import NotFound, SignatureRefused
from quarters.model.repository import Repository
from quarters.publishing.change import Change
from quarters.publishing.signing import certificates, verification
from quarters.publishing.swap import Credit, Swap
from quarters.storage import events, repositories
from quarters.storage.database import Database


def checked(repository: Repository, path: Path, signature: bytes | None, now: datetime) -> dict[str, bytes]:
    """An uploaded file's signature by the fingerprint of its key, if it has one; SignatureRefused by the policy."""
    if signature is None and repository.require_signature:
        raise SignatureRefused(
            f"{repository.name} takes signed packages only; sign it with `gpg --detach-sign`, and upload both."
        )
    return _verified(repository, path, signature, now)


def delivered(
    repository: Repository, path: Path, file_name: str, signature: bytes | None, now: datetime
) -> dict[str, bytes]:
    """The same for a file that a builder made."""
    if signature is None and repository.require_builder_signature:
        raise SignatureRefused(
            f"{repository.name} takes packages from builders that sign them only, and {file_name} is not signed; "
            "set builder.signing_key there."
        )
    try:
        return _verified(repository, path, signature, now)
    except SignatureRefused as error:
        raise SignatureRefused(f"{file_name} is refused. {error}") from None


def _verified(repository: Repository, path: Path, signature: bytes | None, now: datetime) -> dict[str, bytes]:
    if signature is None:
        return {}
    trusted = [Cert.from_bytes(armored.encode()) for armored in repository.trusted_keys.values()]
    return {verification.check(path, signature, trusted, now): signature}


class Trust:
    """Adds and removes the keys that uploads to a repository may be signed with."""

    def __init__(self, database: Database, swap: Swap) -> None:
        self._database = database
        self._swap = swap

    async def add(self, repository: str, armored: str, actor: str) -> Repository:
        """Trust a public key; a newer form of one that is trusted takes its place. Invalid if it is none."""
        cert = certificates.parse(armored)
        known = certificates.fingerprint(cert)
        return await self._changed(repository, lambda keys: {**keys, known: str(cert)}, actor)

    async def remove(self, repository: str, fingerprint: str, actor: str) -> Repository:
        """Trust a key no more: its signatures are served no more either; NotFound."""
        unwanted = fingerprint.upper()

        def without(keys: dict[str, str]) -> dict[str, str]:
            if unwanted not in keys:
                raise NotFound(f"{repository} does not trust the key {fingerprint}.")
            return {known: armored for known, armored in keys.items() if known != unwanted}

        return await self._changed(repository, without, actor)

    async def _changed(
        self, name: str, change: Callable[[dict[str, str]], dict[str, str]], actor: str
    ) -> Repository:
        async with self._swap.lock(name):
            old = await self._database.read(repositories.get, name)
            new = msgspec.structs.replace(old, trusted_keys=change(old.trusted_keys))

            def write(connection: Connection, now: datetime) -> None:
                repositories.change(connection, new)
                events.record(connection, now, "repository.changed", name, {"actor": actor})

            # A new snapshot, so that nobody remembers signatures that are served no more.
            await self._swap.publish(new, Change(), Credit(actor, "other trusted keys"), write)
        return new
