"""Rows of snapshots and of what they list; a snapshot costs only what it changes."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from quarters.model.errors import NotFound
from quarters.model.repository import Compression, Snapshot
from quarters.storage.schema import entries, repositories, snapshots

_AT_ONCE = 1000


class Entry(NamedTuple):
    """A package that a snapshot lists for an architecture."""

    arch: str
    name: str
    sha256: str


class Dated(msgspec.Struct, frozen=True):
    """A snapshot, since when clients shall think that its index stands, and how that is compressed."""

    snapshot: Snapshot
    modified_at: datetime
    compression: Compression


def add(connection: Connection, snapshot: Snapshot, modified_at: datetime, compression: Compression) -> None:
    """Insert a snapshot; `modified_at` lies at least a second after that of the one before."""
    values = msgspec.structs.asdict(snapshot)
    connection.execute(insert(snapshots).values(**values, modified_at=modified_at, compression=compression))


def get(connection: Connection, repository: str, number: int | None = None) -> Dated:
    """One snapshot, by default the served one; NotFound where there is no such repository or snapshot."""
    query = select(snapshots).where(snapshots.c.repository == repository)
    if number is None:
        query = query.join(
            repositories,
            and_(repositories.c.name == snapshots.c.repository, repositories.c.current == snapshots.c.number),
        )
    else:
        query = query.where(snapshots.c.number == number)
    row = connection.execute(query).one_or_none()
    if row is None:
        which = "no snapshot yet" if number is None else f"no snapshot {number}"
        raise NotFound(f"There is no repository {repository!r}, or it has {which}.")
    return Dated(_snapshot(row), row.modified_at, Compression(row.compression))


def listed(
    connection: Connection, repository: str, *, before: int | None = None, limit: int | None = None
) -> list[Snapshot]:
    """Snapshots of a repository, newest first, those with a number below `before`."""
    query = select(snapshots).where(snapshots.c.repository == repository)
    if before is not None:
        query = query.where(snapshots.c.number < before)
    rows = connection.execute(query.order_by(snapshots.c.number.desc()).limit(limit))
    return [_snapshot(row) for row in rows]


def lists(number: int) -> ColumnElement[bool]:
    """The condition under which a row of `entries` belongs to the snapshot `number` of its repository."""
    return and_(entries.c.since <= number, or_(entries.c.until.is_(None), entries.c.until > number))


def content(connection: Connection, repository: str, number: int) -> list[Entry]:
    """Everything that a snapshot lists, by architecture and name; nothing for the number 0."""
    query = (
        select(entries.c.arch, entries.c.name, entries.c.sha256)
        .where(entries.c.repository == repository, lists(number))
        .order_by(entries.c.arch, entries.c.name)
    )
    return [Entry(*row) for row in connection.execute(query)]


def stretch(
    connection: Connection, repository: str, number: int, arch: str, *, after: str, last: str | None
) -> dict[str, str]:
    """By name, the sha256 of what a snapshot lists for `arch` behind the name `after`, up to `last` or to the end."""
    query = select(entries.c.name, entries.c.sha256).where(
        entries.c.repository == repository, entries.c.arch == arch, entries.c.name > after, lists(number)
    )
    if last is not None:
        query = query.where(entries.c.name <= last)
    return {row.name: row.sha256 for row in connection.execute(query)}


def differing(connection: Connection, repository: str, one: int, other: int, arch: str) -> set[str]:
    """Names under which two snapshots may list something else for `arch`; at least all those under which they do."""
    if one == other:
        return set()
    first, last = min(one, other) + 1, max(one, other)
    query = select(entries.c.name).where(
        entries.c.repository == repository,
        entries.c.arch == arch,
        or_(entries.c.since.between(first, last), entries.c.until.between(first, last)),
    )
    return set(connection.execute(query).scalars())


def record(
    connection: Connection,
    repository: str,
    number: int,
    put: Iterable[Entry],
    gone: Collection[tuple[str, str]],
) -> None:
    """List `put` and no longer `gone` (architecture, name) from the snapshot `number` on; what is replaced is in `gone`."""
    for arch in sorted({arch for arch, _ in gone}):
        names = sorted(name for its, name in gone if its == arch)
        for start in range(0, len(names), _AT_ONCE):
            connection.execute(
                update(entries)
                .where(
                    entries.c.repository == repository,
                    entries.c.arch == arch,
                    entries.c.name.in_(names[start : start + _AT_ONCE]),
                    entries.c.until.is_(None),
                )
                .values(until=number)
            )
    rows = [{"repository": repository, "since": number, **entry._asdict()} for entry in put]
    if rows:
        connection.execute(insert(entries), rows)


def _snapshot(row: Any) -> Snapshot:
    return Snapshot(**{field: getattr(row, field) for field in Snapshot.__struct_fields__})
