"""What people want to know of one package beside its file: what needs it, which versions there were, who made it."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Text, or_, select, type_coerce

from quarters.model.recipe import Dependency
from quarters.storage.schema import builds, entries, packages, signatures


class Needing(msgspec.Struct):
    """A package and what it depends on."""

    name: str
    depends: tuple[Dependency, ...] = ()


class Version(NamedTuple):
    """A package that is or was listed under a name: from the snapshot `since` until just before `until`."""

    version: str
    sha256: str
    since: int
    until: int | None
    added_at: datetime
    build: int | None


class Origin(NamedTuple):
    """What a package was built from, by whom, for whom."""

    build: int
    source: str
    revision: str
    path: str
    packager: str
    requester: str
    builder: str | None
    finished_at: datetime | None


_decode = msgspec.json.Decoder(Needing).decode
_LISTED_AT_ONCE = 1000
_SOUGHT = 8


def needing(connection: Connection, repository: str, arch: str, names: Collection[str]) -> Iterator[Needing]:
    """What the served snapshot lists, by name, with what it depends on: at least all that depends on one of `names`."""
    info = type_coerce(packages.c.info, Text)
    query = (
        select(info)
        .join(entries, entries.c.sha256 == packages.c.sha256)
        .where(entries.c.repository == repository, entries.c.arch == arch, entries.c.until.is_(None))
        .order_by(entries.c.name)
    )
    if len(names) <= _SOUGHT:
        # Looking for a few words costs less than taking every description apart.
        query = query.where(or_(*(info.contains(f'"name":"{name}"', autoescape=True) for name in names)))
    for text in connection.execute(query.execution_options(yield_per=_LISTED_AT_ONCE)).scalars():
        yield _decode(text)


def versions(connection: Connection, repository: str, arch: str, name: str, limit: int) -> list[Version]:
    """What was listed under a name in any snapshot that is kept, the newest first."""
    query = (
        select(
            packages.c.version,
            packages.c.sha256,
            entries.c.since,
            entries.c.until,
            packages.c.added_at,
            packages.c.build,
        )
        .join(entries, entries.c.sha256 == packages.c.sha256)
        .where(entries.c.repository == repository, entries.c.arch == arch, entries.c.name == name)
        .order_by(entries.c.since.desc())
        .limit(limit)
    )
    return [Version(*row) for row in connection.execute(query)]


def origin(connection: Connection, build: int | None) -> Origin | None:
    """The build that made a package; None if it was uploaded, or if the build is forgotten."""
    query = select(
        builds.c.id,
        builds.c.source,
        builds.c.revision,
        builds.c.path,
        builds.c.packager,
        builds.c.requester,
        builds.c.builder,
        builds.c.finished_at,
    ).where(builds.c.id == build)
    row = connection.execute(query).one_or_none()
    return None if row is None else Origin(*row)


def signed_by(connection: Connection, sha256: str) -> list[str]:
    """Fingerprints of the keys that signed a package."""
    query = select(signatures.c.key).where(signatures.c.sha256 == sha256)
    return list(connection.execute(query.order_by(signatures.c.key)).scalars())
