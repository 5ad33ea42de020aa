"""Which snapshot is meant, how two differ, and what listed what for how long."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, exists, func, not_, or_, select

from quarters.model.errors import NotFound
from quarters.model.selector import Selector
from quarters.storage.schema import entries, packages, pins, snapshots
from quarters.storage.snapshots import lists

_AT_ONCE = 1000


class Held(NamedTuple):
    """A package that one of two snapshots lists and the other does not."""

    arch: str
    name: str
    version: str
    sha256: str


class Stay(NamedTuple):
    """How long a package was listed under a name: from the snapshot `since` until just before `until` (None: still)."""

    arch: str
    name: str
    sha256: str
    since: int
    until: int | None


def number(connection: Connection, repository: str, which: Selector) -> int:
    """The number of the snapshot that `which` means; NotFound."""
    query = select(func.max(snapshots.c.number)).where(snapshots.c.repository == repository)
    if isinstance(which, int):
        query, wording = query.where(snapshots.c.number == which), f"no snapshot {which}"
    elif isinstance(which, datetime):
        query = query.where(snapshots.c.created_at <= which)
        wording = f"no snapshot that was made by {which:%Y-%m-%d %H:%M:%S} UTC"
    else:
        query = select(pins.c.number).where(pins.c.repository == repository, pins.c.name == which)
        wording = f"no snapshot {which!r}"
    found = connection.execute(query).scalar()
    if found is None:
        raise NotFound(f"There is no repository {repository!r}, or it has {wording}.")
    return int(found)


def only_in(connection: Connection, repository: str, here: int, there: int) -> list[Held]:
    """What the snapshot `here` lists and the snapshot `there` does not, by architecture and name."""
    query = (
        select(entries.c.arch, entries.c.name, packages.c.version, entries.c.sha256)
        .join(packages, packages.c.sha256 == entries.c.sha256)
        .where(entries.c.repository == repository, lists(here), not_(lists(there)))
        .order_by(entries.c.arch, entries.c.name)
    )
    return [Held(*row) for row in connection.execute(query)]


def stays(connection: Connection, repository: str) -> Iterator[Stay]:
    """Everything that was ever listed and is still known, the newest of each architecture and name first."""
    columns = (entries.c.arch, entries.c.name, entries.c.sha256, entries.c.since, entries.c.until)
    query = (
        select(*columns)
        .where(entries.c.repository == repository)
        .order_by(entries.c.arch, entries.c.name, entries.c.since.desc())
    )
    for row in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
        yield Stay(*row)


def expire(connection: Connection, repository: str, numbers: list[int]) -> int:
    """Forget snapshots, and what none of those that remain lists; returns how many were there."""
    gone = 0
    for start in range(0, len(numbers), _AT_ONCE):
        chosen = snapshots.c.number.in_(numbers[start : start + _AT_ONCE])
        gone += connection.execute(
            delete(snapshots).where(snapshots.c.repository == repository, chosen)
        ).rowcount
    listing = exists().where(
        snapshots.c.repository == entries.c.repository,
        snapshots.c.number >= entries.c.since,
        or_(entries.c.until.is_(None), snapshots.c.number < entries.c.until),
    )
    connection.execute(delete(entries).where(entries.c.repository == repository, not_(listing)))
    return gone
