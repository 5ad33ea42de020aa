"""Rows of upstream databases: what they hold, when that was looked at, and what went wrong."""

from datetime import datetime

import msgspec
from sqlalchemy import Connection, Text, delete, func, insert, or_, select, type_coerce, update

from quarters.model.repository import Published, Repository, Upstream
from quarters.storage.schema import repositories, upstream_packages

_rows = upstream_packages
_decode = msgspec.json.Decoder(list[Published]).decode


class Known(msgspec.Struct, frozen=True):
    """An upstream's database for one architecture; `mark` stands for the content that is known, "" for none."""

    upstream: Upstream
    arch: str
    mark: str = ""


def known(connection: Connection, repository: Repository) -> list[Known]:
    """Every database that `repository` looks at."""
    query = select(_rows.c.upstream, _rows.c.arch, _rows.c.etag).where(_rows.c.repository == repository.name)
    marks = {(row.upstream, row.arch): row.etag for row in connection.execute(query)}
    return [
        Known(upstream, arch, marks.get((_key(upstream), arch), ""))
        for upstream in repository.upstreams
        for arch in repository.arches
    ]


def unknown(connection: Connection, repository: Repository) -> list[Known]:
    """Those that were never looked at."""
    query = select(_rows.c.upstream, _rows.c.arch).where(_rows.c.repository == repository.name)
    there = {(row.upstream, row.arch) for row in connection.execute(query)}
    return [one for one in known(connection, repository) if (_key(one.upstream), one.arch) not in there]


def due(connection: Connection, since: datetime) -> list[Repository]:
    """Repositories whose upstreams were last looked at before `since`."""
    query = select(repositories.c.settings).where(
        or_(repositories.c.upstreams_at.is_(None), repositories.c.upstreams_at < since)
    )
    found = [msgspec.convert(settings, Repository) for settings in connection.execute(query).scalars()]
    return [repository for repository in found if repository.upstreams]


def packages(connection: Connection, repository: Repository, arch: str) -> list[Published]:
    """What the upstreams of `repository` hold for `arch`, in the order in which it names them."""
    query = select(_rows.c.upstream, type_coerce(_rows.c.packages, Text).label("packages")).where(
        _rows.c.repository == repository.name, _rows.c.arch == arch
    )
    found = {row.upstream: row.packages for row in connection.execute(query)}
    keys = (_key(upstream) for upstream in repository.upstreams)
    return [package for key in keys if key in found for package in _decode(found[key])]


def changed_at(connection: Connection, repository: str) -> datetime | None:
    """When what any of its upstreams holds was last found to be different."""
    query = select(func.max(_rows.c.changed_at)).where(_rows.c.repository == repository)
    found: datetime | None = connection.execute(query).scalar_one_or_none()
    return found


def problems(connection: Connection, repository: str) -> list[str]:
    """What is wrong with databases that could not be read when they were last looked at."""
    query = select(_rows.c.problem).where(_rows.c.repository == repository, _rows.c.problem != "")
    return sorted(connection.execute(query).scalars())


def put(
    connection: Connection,
    repository: str,
    known: Known,
    packages: list[Published] | None,
    mark: str,
    now: datetime,
) -> None:
    """Store what a database holds; None where it still holds the same."""
    if packages is None:
        _change(connection, repository, known, problem="")
        return
    values = {"packages": packages, "etag": mark, "problem": "", "changed_at": now}
    if not _change(connection, repository, known, **values):
        _insert(connection, repository, known, **values)


def failed(connection: Connection, repository: str, known: Known, problem: str) -> None:
    """A database could not be read; what it held is kept."""
    if not _change(connection, repository, known, problem=problem):
        _insert(connection, repository, known, packages=[], problem=problem)


def looked(connection: Connection, repository: Repository, now: datetime) -> None:
    """All databases of `repository` were looked at; those that it no longer names are forgotten."""
    connection.execute(
        update(repositories).where(repositories.c.name == repository.name).values(upstreams_at=now)
    )
    keys = [_key(upstream) for upstream in repository.upstreams]
    connection.execute(
        delete(_rows).where(_rows.c.repository == repository.name, _rows.c.upstream.not_in(keys))
    )


def _key(upstream: Upstream) -> str:
    """By name and server: what another server holds under the same name is something else."""
    return f"{upstream.name} {upstream.server}"


def _change(connection: Connection, repository: str, known: Known, **values: object) -> bool:
    statement = update(_rows).where(
        _rows.c.repository == repository, _rows.c.upstream == _key(known.upstream), _rows.c.arch == known.arch
    )
    return connection.execute(statement.values(**values)).rowcount > 0


def _insert(connection: Connection, repository: str, known: Known, **values: object) -> None:
    connection.execute(
        insert(_rows).values(repository=repository, upstream=_key(known.upstream), arch=known.arch, **values)
    )
