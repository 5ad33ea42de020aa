"""Rows as they are, to be held against files; and the few corrections that no ordinary way makes."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Text, and_, delete, func, insert, or_, select, type_coerce, update

from quarters.model.repository import PackageFile
from quarters.storage.schema import entries, packages, signatures, snapshots
from quarters.storage.snapshots import Entry

_info = type_coerce(packages.c.info, Text).label("info")
_parts = type_coerce(packages.c.index_parts, Text).label("index_parts")


class Registered(NamedTuple):
    """A package's row with nothing decoded, and its signatures by the fingerprints of their keys."""

    sha256: str
    file_name: str
    name: str
    base: str
    version: str
    arch: str
    info: str
    index_parts: str
    signatures: Mapping[str, bytes]

    def file_names(self) -> list[str]:
        """What its file is called, by either of the two places that say so."""
        names = [self.file_name]
        with suppress(msgspec.DecodeError):
            names.append(msgspec.json.decode(self.info, type=PackageFile).file_name)
        return list(dict.fromkeys(names))

    def says(self, file: PackageFile) -> bool:
        """Whether this is the row of `file`."""
        if self[:6] != (file.sha256, file.file_name, file.name, file.base, file.version, file.arch):
            return False
        try:
            info = msgspec.json.decode(self.info, type=PackageFile)
            parts = msgspec.json.decode(self.index_parts, type=dict[str, str])
        except msgspec.DecodeError:
            return False
        return info == msgspec.structs.replace(file, index={}) and parts == file.index


def listed(connection: Connection, repository: str, after: str, limit: int) -> list[Registered]:
    """Packages beyond the sha256 `after` that any snapshot of the repository lists."""
    listing = (
        select(entries.c.sha256)
        .join(packages, packages.c.sha256 == entries.c.sha256)
        .where(entries.c.repository == repository, entries.c.sha256 > after)
    )
    some = listing.distinct().order_by(entries.c.sha256).limit(limit).subquery()
    columns = (packages.c.sha256, packages.c.file_name, packages.c.name, packages.c.base, packages.c.version)
    query = select(*columns, packages.c.arch, _info, _parts).join(some, some.c.sha256 == packages.c.sha256)
    rows = connection.execute(query.order_by(packages.c.sha256)).all()
    signed: dict[str, dict[str, bytes]] = {}
    for row in connection.execute(select(signatures).where(signatures.c.sha256.in_([it[0] for it in rows]))):
        signed.setdefault(row.sha256, {})[row.key] = row.data
    return [Registered(**row._mapping, signatures=signed.get(row.sha256, {})) for row in rows]


def lists(connection: Connection, repository: str, sha256: str) -> bool:
    """Whether any snapshot of the repository lists a package."""
    query = select(entries.c.id).where(entries.c.repository == repository, entries.c.sha256 == sha256)
    return connection.execute(query.limit(1)).first() is not None


def unregistered(connection: Connection, repository: str) -> list[str]:
    """What the repository lists and no package's row is there for; foreign keys prevent it, broken disks do not."""
    registered = select(packages.c.sha256).where(packages.c.sha256 == entries.c.sha256).exists()
    query = select(entries.c.sha256).where(entries.c.repository == repository, ~registered)
    return sorted(connection.execute(query.distinct()).scalars())


def misplaced(connection: Connection, repository: str) -> list[tuple[Entry, Entry]]:
    """Entries of the served snapshot that contradict their package's name or architecture, and what they should be."""
    wrong = or_(
        entries.c.name != packages.c.name,
        and_(packages.c.arch != entries.c.arch, packages.c.arch != "any"),
    )
    query = (
        select(entries.c.arch, entries.c.name, entries.c.sha256, packages.c.name, packages.c.arch)
        .join(packages, packages.c.sha256 == entries.c.sha256)
        .where(entries.c.repository == repository, entries.c.until.is_(None), wrong)
        .order_by(entries.c.arch, entries.c.name)
    )
    return [
        (Entry(arch, name, sha256), Entry(arch if right == "any" else right, package, sha256))
        for arch, name, sha256, package, right in connection.execute(query)
    ]


def dated(
    connection: Connection, repository: str, number: int, arch: str
) -> tuple[datetime | None, datetime | None]:
    """The times of the snapshot that last changed what `number` lists for `arch`, and of `number`; None: unknown."""
    place = and_(entries.c.repository == repository, entries.c.arch == arch)
    changes = [
        connection.execute(select(func.max(column)).where(place, column <= number)).scalar() or 0
        for column in (entries.c.since, entries.c.until)
    ]
    query = select(snapshots.c.number, snapshots.c.modified_at).where(
        snapshots.c.repository == repository, snapshots.c.number.in_([number, max(changes)])
    )
    times = {row.number: row.modified_at for row in connection.execute(query)}
    return times.get(max(changes)), times.get(number)


def counted(connection: Connection, repository: str) -> int:
    """How many packages the served snapshot lists."""
    query = select(func.count()).select_from(entries)
    return int(
        connection.execute(
            query.where(entries.c.repository == repository, entries.c.until.is_(None))
        ).scalar_one()
    )


def recount(connection: Connection, repository: str, number: int) -> None:
    """Note how many packages the served snapshot lists."""
    place = and_(snapshots.c.repository == repository, snapshots.c.number == number)
    connection.execute(update(snapshots).where(place).values(packages=counted(connection, repository)))


def named(connection: Connection, arch: str, names: Collection[tuple[str, str]]) -> dict[str, str]:
    """By name, the sha256 of a known package for `arch` of each (name, version)."""
    found = {}
    for name, version in names:
        query = select(packages.c.sha256).where(
            packages.c.name == name, packages.c.version == version, packages.c.arch.in_([arch, "any"])
        )
        if (
            sha256 := connection.execute(query.order_by(packages.c.added_at.desc()).limit(1)).scalar()
        ) is not None:
            found[name] = sha256
    return found


def correct(connection: Connection, file: PackageFile) -> None:
    """Let a package's row say what its file says."""
    values = {"file_name": file.file_name, "name": file.name, "base": file.base, "version": file.version}
    info = msgspec.structs.replace(file, index={})
    connection.execute(
        update(packages)
        .where(packages.c.sha256 == file.sha256)
        .values(**values, arch=file.arch, info=info, index_parts=file.index)
    )


def sign(connection: Connection, sha256: str, bad: Collection[str], key: str, signature: bytes) -> None:
    """Replace a package's signatures by the keys `bad` with one by `key`."""
    gone = signatures.c.key.in_([*bad, key])
    connection.execute(delete(signatures).where(signatures.c.sha256 == sha256, gone))
    connection.execute(insert(signatures).values(sha256=sha256, key=key, data=signature))


def drop(connection: Connection, repository: str, sha256s: Collection[str]) -> None:
    """List packages in no snapshot of the repository any more, since their files are gone."""
    some = sorted(sha256s)
    connection.execute(delete(entries).where(entries.c.repository == repository, entries.c.sha256.in_(some)))
