"""Rows of packages, their signatures, and where they are listed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    Select,
    Table,
    Text,
    and_,
    func,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from quarters.model.errors import NotFound
from quarters.model.recipe import Provision
from quarters.model.repository import PackageFile, Published
from quarters.storage.schema import entries, packages, signatures
from quarters.storage.snapshots import lists

# Thousands are read at once: decoded in one step, not by way of dicts.
_decode_file = msgspec.json.Decoder(PackageFile).decode
_decode_index = msgspec.json.Decoder(dict[str, str]).decode
_AT_ONCE = 1000


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """A verified package file that comes in, where from, and its signatures by the fingerprints of the keys."""

    file: PackageFile
    signatures: Mapping[str, bytes]
    build: int | None = None
    fingerprint: str = ""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A package as a repository lists it for `arch` since the snapshot `since`; `file.index` is left empty."""

    arch: str
    since: int
    file: PackageFile
    added_at: datetime
    build: int | None
    fingerprint: str


class _Planned(msgspec.Struct):
    """The share of a PackageFile that planning reads."""

    name: str
    version: str
    base: str
    provides: tuple[Provision, ...] = ()


_decode_planned = msgspec.json.Decoder(_Planned).decode


def add(connection: Connection, additions: Iterable[Addition], now: datetime) -> None:
    """Insert packages with their signatures; what is known already stays as it is."""
    some = iter(additions)
    while chunk := tuple(islice(some, _AT_ONCE)):
        _insert_unless_known(connection, packages, [_row(it, now) for it in chunk])
        signed = [
            {"sha256": it.file.sha256, "key": key, "data": data}
            for it in chunk
            for key, data in it.signatures.items()
        ]
        _insert_unless_known(connection, signatures, signed)


def sign(connection: Connection, sha256: str, key: str, signature: bytes) -> None:
    """Keep a detached signature by the key of that fingerprint, unless there is one."""
    _insert_unless_known(connection, signatures, [{"sha256": sha256, "key": key, "data": signature}])


def confirm(connection: Connection, sha256s: Collection[str], fingerprint: str) -> None:
    """Note that the recipe of that fingerprint makes these very versions too, so that it does not count as changed."""
    connection.execute(update(packages).where(packages.c.sha256.in_(sha256s)).values(fingerprint=fingerprint))


def signature(connection: Connection, sha256: str, keys: Sequence[str]) -> bytes | None:
    """The signature of a package by the first of the keys, given by their fingerprints, that signed it."""
    query = select(signatures.c.key, signatures.c.data).where(
        signatures.c.sha256 == sha256, signatures.c.key.in_(keys)
    )
    found: dict[str, bytes] = {row.key: row.data for row in connection.execute(query)}
    return next((found[key] for key in keys if key in found), None)


def index_parts(connection: Connection, sha256s: Sequence[str]) -> dict[str, dict[str, str]]:
    """Index parts of packages, by sha256."""
    found = {}
    for start in range(0, len(sha256s), _AT_ONCE):
        query = select(packages.c.sha256, type_coerce(packages.c.index_parts, Text)).where(
            packages.c.sha256.in_(sha256s[start : start + _AT_ONCE])
        )
        found.update({sha256: _decode_index(parts) for sha256, parts in connection.execute(query)})
    return found


def standing(
    connection: Connection, repository: str, names: Collection[str], arches: Collection[str] = ()
) -> list[Listed]:
    """What the served snapshot lists under `names`: for every architecture or, found sooner, those of `arches`."""
    found = []
    wanted = sorted(names)
    for start in range(0, len(wanted), _AT_ONCE):
        query = _current(repository).where(entries.c.name.in_(wanted[start : start + _AT_ONCE]))
        if arches:
            query = query.where(entries.c.arch.in_(arches))
        found += [_listed(row) for row in connection.execute(query)]
    return found


def contents(
    connection: Connection, repository: str, arches: Collection[str], names: Collection[str]
) -> dict[tuple[str, str], set[str]]:
    """By architecture and file name, what snapshots that are still known list (sha256), of the packages `names`."""
    found: dict[tuple[str, str], set[str]] = {}
    wanted = sorted(names)
    for start in range(0, len(wanted), _AT_ONCE):
        query = (
            select(entries.c.arch, packages.c.file_name, entries.c.sha256)
            .join(packages, packages.c.sha256 == entries.c.sha256)
            .where(entries.c.repository == repository, entries.c.arch.in_(arches))
            .where(entries.c.name.in_(wanted[start : start + _AT_ONCE]))
        )
        for arch, file_name, sha256 in connection.execute(query):
            found.setdefault((arch, file_name), set()).add(sha256)
    return found


def get(connection: Connection, repository: str, arch: str, name: str) -> Listed:
    """One package of the served snapshot, or NotFound."""
    query = _current(repository).where(entries.c.arch == arch, entries.c.name == name)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"{repository} lists no package {name!r} for {arch}.")
    return _listed(row)


def listed(
    connection: Connection,
    repository: str,
    *,
    arch: str | None = None,
    query: str | None = None,
    after: tuple[str, str] = ("", ""),
    limit: int | None = None,
) -> list[Listed]:
    """The served snapshot's packages by name and architecture: those after `after`, with `query` in their name."""
    chosen = _current(repository).where(tuple_(entries.c.name, entries.c.arch) > tuple_(*after))
    if arch is not None:
        chosen = chosen.where(entries.c.arch == arch)
    if query is not None:
        chosen = chosen.where(func.lower(entries.c.name).contains(query.lower(), autoescape=True))
    rows = connection.execute(chosen.order_by(entries.c.name, entries.c.arch).limit(limit))
    return [_listed(row) for row in rows]


def anywhere(connection: Connection, sha256s: Sequence[str]) -> set[str]:
    """Those of `sha256s` that are packages for any architecture."""
    found: set[str] = set()
    for start in range(0, len(sha256s), _AT_ONCE):
        query = select(packages.c.sha256).where(
            packages.c.sha256.in_(sha256s[start : start + _AT_ONCE]), packages.c.arch == "any"
        )
        found.update(connection.execute(query).scalars())
    return found


def known(connection: Connection, sha256s: Sequence[str]) -> dict[str, PackageFile]:
    """Those of `sha256s` that are packages, listed or not; `index` is left empty."""
    found = {}
    for start in range(0, len(sha256s), _AT_ONCE):
        query = select(packages.c.sha256, type_coerce(packages.c.info, Text).label("info")).where(
            packages.c.sha256.in_(sha256s[start : start + _AT_ONCE])
        )
        found.update({row.sha256: _decode_file(row.info) for row in connection.execute(query)})
    return found


def signed(connection: Connection, sha256s: Sequence[str], keys: Collection[str]) -> set[str]:
    """Those of `sha256s` that bear a signature by one of the keys, given by their fingerprints."""
    found: set[str] = set()
    for start in range(0, len(sha256s), _AT_ONCE):
        query = select(signatures.c.sha256).where(
            signatures.c.sha256.in_(sha256s[start : start + _AT_ONCE]), signatures.c.key.in_(sorted(keys))
        )
        found.update(connection.execute(query).scalars())
    return found


def published(connection: Connection, repository: str, arch: str) -> list[Published]:
    """What the served snapshot offers to dependencies on `arch`, by name."""
    query = (
        select(type_coerce(packages.c.info, Text))
        .join(entries, entries.c.sha256 == packages.c.sha256)
        .where(entries.c.repository == repository, entries.c.arch == arch, entries.c.until.is_(None))
        .order_by(entries.c.name)
    )
    planned = (_decode_planned(text) for text in connection.execute(query).scalars())
    return [Published(name=it.name, version=it.version, base=it.base, provides=it.provides) for it in planned]


def former(connection: Connection, repository: str, arch: str) -> dict[str, set[str]]:
    """By name, the versions that only older snapshots list and that are no step on the way to the served one.

    What was removed, or is newer than what is served since somebody rolled back.
    """
    old, new, listed = packages.alias(), packages.alias(), entries.alias()
    query = (
        select(entries.c.name, old.c.version)
        .join(old, old.c.sha256 == entries.c.sha256)
        .outerjoin(
            listed,
            and_(
                listed.c.repository == entries.c.repository,
                listed.c.arch == entries.c.arch,
                listed.c.name == entries.c.name,
                listed.c.until.is_(None),
            ),
        )
        .outerjoin(new, new.c.sha256 == listed.c.sha256)
        .where(entries.c.repository == repository, entries.c.arch == arch, entries.c.until.is_not(None))
        .where(or_(listed.c.id.is_(None), new.c.added_at < old.c.added_at))
        .distinct()
    )
    found: dict[str, set[str]] = {}
    for name, version in connection.execute(query):
        found.setdefault(name, set()).add(version)
    return found


def fingerprints(connection: Connection, repository: str, arch: str) -> dict[str, str]:
    """By pkgbase, the recipe fingerprint that its latest listed package was built from; uploaded ones have none."""
    query = (
        select(packages.c.base, packages.c.fingerprint)
        .join(entries, entries.c.sha256 == packages.c.sha256)
        .where(entries.c.repository == repository, entries.c.arch == arch, entries.c.until.is_(None))
        .where(packages.c.fingerprint != "")
        .order_by(packages.c.added_at, packages.c.build)
    )
    return {row.base: row.fingerprint for row in connection.execute(query)}


def find(
    connection: Connection, repository: str, number: int | None, arch: str, file_name: str
) -> tuple[str, int]:
    """Content (sha256) and size of a file that the snapshot `number`, or for None any snapshot, lists; NotFound.

    A client whose index is a little old still finds the files that it names.
    """
    # Two steps, since SQLite would begin a join with all that the repository lists.
    named = connection.execute(
        select(packages.c.sha256, type_coerce(packages.c.info, Text).label("info")).where(
            packages.c.file_name == file_name
        )
    )
    infos = {row.sha256: row.info for row in named}
    query = (
        select(entries.c.sha256)
        .where(entries.c.sha256.in_(infos), entries.c.repository == repository, entries.c.arch == arch)
        .order_by(entries.c.since.desc())
        .limit(1)
    )
    if number is not None:
        query = query.where(lists(number))
    sha256 = connection.execute(query).scalar()
    if sha256 is None:
        raise NotFound(f"{repository} has no file {file_name!r} for {arch}.")
    return sha256, _decode_file(infos[sha256]).size


def _current(repository: str) -> Select[Any]:
    return (
        select(
            entries.c.arch,
            entries.c.since,
            type_coerce(packages.c.info, Text).label("info"),
            packages.c.added_at,
            packages.c.build,
            packages.c.fingerprint,
        )
        .join(packages, packages.c.sha256 == entries.c.sha256)
        .where(entries.c.repository == repository, entries.c.until.is_(None))
    )


def _listed(row: Any) -> Listed:
    return Listed(
        arch=row.arch,
        since=row.since,
        file=_decode_file(row.info),
        added_at=row.added_at,
        build=row.build,
        fingerprint=row.fingerprint,
    )


def _row(addition: Addition, now: datetime) -> dict[str, Any]:
    file = addition.file
    return {
        "sha256": file.sha256,
        "file_name": file.file_name,
        "name": file.name,
        "base": file.base,
        "version": file.version,
        "arch": file.arch,
        "info": msgspec.structs.replace(file, index={}),
        "index_parts": file.index,
        "added_at": now,
        "build": addition.build,
        "fingerprint": addition.fingerprint,
    }


def _insert_unless_known(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    # SQLAlchemy has this insertion only in the engines' own dialects.
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(table).on_conflict_do_nothing(), rows)
