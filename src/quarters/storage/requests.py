"""Requests, what plans are made of, and what enqueueing one has to know about the builds that are there."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, select, update

from quarters.model.build import OPEN, TERMINAL, State
from quarters.model.errors import NotFound
from quarters.model.rebuild import PENDING
from quarters.planning.assignment import suited
from quarters.planning.farm import Queue
from quarters.planning.order import PRIORITIES
from quarters.planning.usage import Usage, bounded
from quarters.storage import builders as builders_
from quarters.storage import queues, usage
from quarters.storage.schema import (
    builds,
    rebuilds,
    repositories,
    requests,
    snapshots,
    sources,
    upstream_packages,
)
from quarters.storage.transitions import chunks

_ENDED = sorted(TERMINAL - {State.SUPERSEDED})


class Basis(msgspec.Struct, frozen=True):
    """What a plan was made from: as long as this is the same, the plan is what it would be now."""

    snapshot: int
    upstreams: tuple[tuple[str, str, datetime | None], ...]
    generations: tuple[tuple[str, int], ...]


class Earlier(NamedTuple):
    """A build of the same recipe for the same repository and architecture that is there already."""

    id: int
    state: State
    fingerprint: str
    bump: int
    rebuild: int | None
    """The rebuild that it belongs to, if that is not over."""


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """The latest request of somebody for a repository: its problems, and since when they are known."""

    id: int
    problems: tuple[str, ...]
    planned_at: datetime


def basis(connection: Connection, repository: str) -> Basis:
    """What a plan for `repository` would be made from now."""
    snapshot = connection.execute(
        select(repositories.c.current).where(repositories.c.name == repository)
    ).scalar_one_or_none()
    if snapshot is None:
        raise NotFound(f"There is no repository {repository!r}.")
    upstreams = connection.execute(
        select(upstream_packages.c.upstream, upstream_packages.c.arch, upstream_packages.c.changed_at)
        .where(upstream_packages.c.repository == repository)
        .order_by(upstream_packages.c.upstream, upstream_packages.c.arch)
    )
    generations = connection.execute(
        select(sources.c.name, sources.c.generation)
        .where(sources.c.repository == repository, sources.c.enabled)
        .order_by(sources.c.name)
    )
    return Basis(snapshot, tuple(tuple(row) for row in upstreams), tuple(tuple(row) for row in generations))


def add(
    connection: Connection, repository: str, arch: str, requester: str, packages: Sequence[str], now: datetime
) -> int:
    """Note a request and return its number; its problems are added when they are known."""
    values = {
        "repository": repository,
        "arch": arch,
        "requester": requester,
        "created_at": now,
        "packages": list(packages),
        "problems": [],
        "planned_at": now,
    }
    return int(connection.execute(insert(requests).values(values).returning(requests.c.id)).scalar_one())


def by_source(name: str) -> str:
    """The requester of what a source's own changes ask for."""
    return f"source:{name}"


def forget(connection: Connection, request: int) -> None:
    """A request that led to nothing."""
    connection.execute(delete(requests).where(requests.c.id == request))


def set_problems(connection: Connection, request: int, problems: Sequence[str], now: datetime) -> None:
    """Keep what could not be planned."""
    connection.execute(
        update(requests).where(requests.c.id == request).values(problems=list(problems), planned_at=now)
    )


def latest(connection: Connection, repository: str, requester: str) -> Latest | None:
    """The latest request of `requester` for `repository`."""
    query = (
        select(requests.c.id, requests.c.problems, requests.c.planned_at)
        .where(requests.c.repository == repository, requests.c.requester == requester)
        .order_by(requests.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else msgspec.convert(row, Latest)


def changed_since(connection: Connection, repository: str, since: datetime) -> bool:
    """Whether something was published in `repository`, or something else came into its upstreams, after `since`."""
    published = select(func.count()).where(
        snapshots.c.repository == repository, snapshots.c.created_at > since
    )
    upstream = select(func.count()).where(
        upstream_packages.c.repository == repository, upstream_packages.c.changed_at > since
    )
    return any(connection.execute(query).scalar_one() for query in (published, upstream))


def open_builds(connection: Connection, repository: str, arch: str) -> dict[str, Earlier]:
    """By pkgbase, the unfinished builds."""
    query = _earlier().where(
        builds.c.repository == repository, builds.c.arch == arch, builds.c.state.in_(sorted(OPEN))
    )
    return {row.pkgbase: _one(row) for row in connection.execute(query)}


def latest_ended(
    connection: Connection, repository: str, arch: str, pkgbases: Collection[str]
) -> dict[str, Earlier]:
    """By pkgbase, the latest build, where that is over and no newer recipe took its place."""
    found: dict[str, Earlier] = {}
    # Names need no order here, but statements that repeat are cached by their shape.
    numbered = dict(enumerate(sorted(pkgbases)))
    for some in chunks(numbered):
        names = [numbered[number] for number in some]
        of_bases = (builds.c.repository == repository, builds.c.arch == arch, builds.c.pkgbase.in_(names))
        newest = select(func.max(builds.c.id)).where(*of_bases).group_by(builds.c.pkgbase)
        query = _earlier().where(builds.c.id.in_(newest), builds.c.state.in_(_ENDED))
        found.update((row.pkgbase, _one(row)) for row in connection.execute(query))
    return found


def insert_builds(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Add builds in the state `waiting`; their numbers, in the order of `rows`.

    What each needs of a builder comes from its recipe's configuration, else from what the package used before, as far as
    a builder has so much.
    """
    if not rows:
        return []
    statement = insert(builds).returning(builds.c.id, sort_by_parameter_order=True)
    return list(connection.execute(statement, _equipped(connection, rows)).scalars())


def _equipped(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    bases: dict[str, set[str]] = {}
    for row in rows:
        bases.setdefault(row["arch"], set()).add(row["pkgbase"])
    used = {
        (arch, pkgbase): known
        for arch, names in bases.items()
        for pkgbase, known in usage.of(connection, arch, names).items()
    }
    wanted = [_queue_of(row) for row in rows]
    numbers = queues.ensure(connection, set(wanted))
    there = builders_.listed(connection)
    takers = {queue: suited(queue, there) for queue in numbers}
    found = []
    for row, queue in zip(rows, wanted, strict=True):
        asked = row["recipe"].configuration
        known = bounded(used.get((row["arch"], row["pkgbase"]), Usage()), takers[queue])
        priority = row.get("priority", 0) + asked.priority
        values = {
            "state": State.WAITING,
            **row,
            "queue": numbers[queue],
            "build_class": queue.build_class,
            "only_builder": queue.only_builder,
            "memory": asked.memory or known.memory,
            "disk": asked.disk or known.disk,
            "duration": known.seconds,
            "priority": max(PRIORITIES[0], min(priority, PRIORITIES[-1])),
        }
        found.append(values)
    return found


def _queue_of(row: dict[str, Any]) -> Queue:
    asked = row["recipe"].configuration
    return Queue(row["arch"], row["repository"], row["source"], asked.build_class, asked.builder)


def press(connection: Connection, ids: Collection[int], priority: int, *, allow_downgrade: bool) -> None:
    """Let unfinished builds be at least as urgent as `priority`, and allowed what one that joins them is allowed."""
    for some in chunks(sorted(ids)):
        mine = update(builds).where(builds.c.id.in_(some))
        connection.execute(mine.where(builds.c.priority < priority).values(priority=priority))
        if allow_downgrade:
            connection.execute(mine.values(allow_downgrade=True))


def _earlier() -> Any:
    pending = and_(rebuilds.c.id == builds.c.rebuild, rebuilds.c.state.in_(sorted(PENDING)))
    return select(
        builds.c.pkgbase,
        builds.c.id,
        builds.c.state,
        builds.c.fingerprint,
        builds.c.bump,
        rebuilds.c.id.label("rebuild"),
    ).outerjoin(rebuilds, pending)


def _one(row: Any) -> Earlier:
    return Earlier(row.id, State(row.state), row.fingerprint, row.bump, row.rebuild)
