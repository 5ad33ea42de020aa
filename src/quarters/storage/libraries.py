"""Rows of libraries: what listed packages provide and link to, and what publishes took away."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Text, delete, insert, select, tuple_, type_coerce, update

from quarters.model.library import Libraries, Library
from quarters.planning.rebuilds import Linked, Loss, broken, losses
from quarters.storage.schema import entries, lost_libraries, packages
from quarters.storage.snapshots import Entry

_AT_ONCE = 1000
_lost = lost_libraries


class _Known(msgspec.Struct):
    """The share of a PackageFile that says what is linked."""

    name: str
    base: str
    version: str
    libraries: Libraries = Libraries()


_decode = msgspec.json.Decoder(_Known).decode


class Unnoticed(NamedTuple):
    """A place where something was lost of which nobody was told yet."""

    repository: str
    arch: str


def linked(connection: Connection, repository: str, arch: str) -> list[Linked]:
    """Everything that the served snapshot lists for `arch`, by name."""
    query = (
        select(type_coerce(packages.c.info, Text))
        .join(entries, entries.c.sha256 == packages.c.sha256)
        .where(entries.c.repository == repository, entries.c.arch == arch, entries.c.until.is_(None))
        .order_by(entries.c.name)
    )
    return [_linked(text) for text in connection.execute(query).scalars()]


def note(
    connection: Connection,
    repository: str,
    put: Sequence[Entry],
    gone: Collection[tuple[str, str]],
    now: datetime,
) -> None:
    """Keep in mind which libraries a change takes away; to be called before it is recorded, with its packages known."""
    if not gone:
        return
    before = listed(connection, repository, gone)
    if not any(it.provided for its in before.values() for it in its):
        return
    known = _of(connection, {entry.sha256 for entry in put})
    for arch, its in before.items():
        after = [known[entry.sha256] for entry in put if entry.arch == arch and entry.sha256 in known]
        _keep(connection, repository, arch, losses(its, after), now)


def lost(connection: Connection, repository: str, arch: str, before: datetime | None = None) -> list[Loss]:
    """Libraries that were taken away (before a moment), whether or not something provides them again or links to them."""
    query = select(_lost).where(_lost.c.repository == repository, _lost.c.arch == arch)
    if before is not None:
        query = query.where(_lost.c.lost_at < before)
    return [
        Loss(library=Library(row.soname, row.bits, row.machine), package=row.package, successor=row.successor)
        for row in connection.execute(query.order_by(_lost.c.soname, _lost.c.bits))
    ]


def lossy(connection: Connection) -> set[tuple[str, str]]:
    """Repositories and architectures that have lost libraries."""
    query = select(_lost.c.repository, _lost.c.arch).distinct()
    return {(row.repository, row.arch) for row in connection.execute(query)}


def unmissed(connection: Connection, before: datetime) -> dict[tuple[str, str], list[Library]]:
    """By repository and architecture, what was lost before that moment and is back, or linked to by nothing listed."""
    query = select(_lost.c.repository, _lost.c.arch).where(_lost.c.lost_at < before).distinct()
    found = {}
    for repository, arch in connection.execute(query).all():
        old = lost(connection, repository, arch, before)
        missed = broken(linked(connection, repository, arch), old).values()
        still = {loss.library for some in missed for loss in some}
        if gone := [loss.library for loss in old if loss.library not in still]:
            found[repository, arch] = gone
    return found


def forget_unmissed(connection: Connection, before: datetime) -> None:
    """Remove what `unmissed` finds."""
    for (repository, arch), some in unmissed(connection, before).items():
        for library in some:
            connection.execute(delete(_lost).where(*_is(repository, arch, library)))


def unnoticed(connection: Connection) -> list[Unnoticed]:
    """Where something was lost of which nobody was told yet."""
    query = select(_lost.c.repository, _lost.c.arch).where(~_lost.c.noticed).distinct()
    return sorted(Unnoticed(row.repository, row.arch) for row in connection.execute(query))


def notice(connection: Connection, repository: str, arch: str) -> None:
    """People were told of all that was lost here."""
    place = (_lost.c.repository == repository, _lost.c.arch == arch)
    connection.execute(update(_lost).where(*place).values(noticed=True))


def listed(
    connection: Connection, repository: str, places: Iterable[tuple[str, str]]
) -> dict[str, list[Linked]]:
    """By architecture, what is listed at these places (architecture, name)."""
    found: dict[str, list[Linked]] = {}
    wanted = sorted(places)
    for start in range(0, len(wanted), _AT_ONCE):
        query = (
            select(entries.c.arch, type_coerce(packages.c.info, Text).label("info"))
            .join(packages, packages.c.sha256 == entries.c.sha256)
            .where(
                entries.c.repository == repository,
                entries.c.until.is_(None),
                tuple_(entries.c.arch, entries.c.name).in_(wanted[start : start + _AT_ONCE]),
            )
        )
        for row in connection.execute(query):
            found.setdefault(row.arch, []).append(_linked(row.info))
    return found


def _of(connection: Connection, sha256s: Collection[str]) -> dict[str, Linked]:
    found = {}
    wanted = sorted(sha256s)
    for start in range(0, len(wanted), _AT_ONCE):
        query = select(packages.c.sha256, type_coerce(packages.c.info, Text).label("info")).where(
            packages.c.sha256.in_(wanted[start : start + _AT_ONCE])
        )
        found.update({row.sha256: _linked(row.info) for row in connection.execute(query)})
    return found


def _keep(connection: Connection, repository: str, arch: str, some: Sequence[Loss], now: datetime) -> None:
    for loss in some:
        place = {"repository": repository, "arch": arch, **msgspec.structs.asdict(loss.library)}
        connection.execute(delete(_lost).where(*_is(repository, arch, loss.library)))
        connection.execute(
            insert(_lost).values(**place, package=loss.package, successor=loss.successor, lost_at=now)
        )


def _is(repository: str, arch: str, library: Library) -> list[ColumnElement[bool]]:
    place = {"repository": repository, "arch": arch, **msgspec.structs.asdict(library)}
    return [_lost.c[name] == value for name, value in place.items()]


def _linked(text: str) -> Linked:
    known = _decode(text)
    return Linked(
        name=known.name,
        base=known.base,
        version=known.version,
        provided=known.libraries.provided,
        needed=known.libraries.needed,
    )
