"""What builds need of each other: what the end of one means for all that wait for it, in a few statements."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, delete, exists, insert, select, update

from quarters.model.build import BROKEN, OPEN, SATISFIED, Event, State
from quarters.model.recipe import NeedKind
from quarters.storage.schema import build_needs, builds
from quarters.storage.transitions import chunks, transition_all

Edge = tuple[int, int, str, NeedKind]
"""A build, the build that it needs, the dependency as the recipe writes it, and its kind."""


class Prerequisite(NamedTuple):
    """A build that another one needs, and the dependency that says so."""

    build: int
    pkgbase: str
    state: State
    dependency: str
    kind: NeedKind


_OVER = SATISFIED | {State.SUPERSEDED}
"""States that nothing leads out of."""

_needed = builds.alias("needed")


def of(connection: Connection, build: int) -> list[Prerequisite]:
    """What `build` needs, by number."""
    query = (
        select(
            build_needs.c.needs,
            build_needs.c.dependency,
            build_needs.c.kind,
            builds.c.pkgbase,
            builds.c.state,
        )
        .join(builds, builds.c.id == build_needs.c.needs)
        .where(build_needs.c.build == build)
        .order_by(builds.c.id)
    )
    return [
        Prerequisite(
            build=row.needs,
            pkgbase=row.pkgbase,
            state=State(row.state),
            dependency=row.dependency,
            kind=NeedKind(row.kind),
        )
        for row in connection.execute(query)
    ]


def add(connection: Connection, edges: Iterable[Edge]) -> None:
    """Note that builds need builds; none of the pairs may be known yet."""
    rows = [
        {"build": build, "needs": needs, "dependency": text, "kind": kind}
        for build, needs, text, kind in edges
    ]
    if rows:
        connection.execute(insert(build_needs), rows)


def drop(connection: Connection, ids: Collection[int], prerequisites: Collection[int]) -> None:
    """Let the builds `ids` no longer need any of `prerequisites`."""
    for some in chunks(sorted(ids)):
        for others in chunks(sorted(prerequisites)):
            connection.execute(
                delete(build_needs).where(build_needs.c.build.in_(some), build_needs.c.needs.in_(others))
            )


def states(connection: Connection, ids: Collection[int]) -> dict[int, State]:
    """The state of each of these builds."""
    found: dict[int, State] = {}
    for some in chunks(sorted(ids)):
        query = select(builds.c.id, builds.c.state).where(builds.c.id.in_(some))
        found.update((row.id, State(row.state)) for row in connection.execute(query))
    return found


def graph(connection: Connection, repository: str, arch: str) -> dict[int, list[int]]:
    """By unfinished build, the unfinished builds that it needs."""
    unfinished = (
        builds.c.repository == repository,
        builds.c.arch == arch,
        builds.c.state.in_(sorted(OPEN)),
    )
    found: dict[int, list[int]] = {
        build: [] for build in connection.execute(select(builds.c.id).where(*unfinished)).scalars()
    }
    edges = (
        select(build_needs.c.build, build_needs.c.needs)
        .join(builds, builds.c.id == build_needs.c.build)
        .join(_needed, _needed.c.id == build_needs.c.needs)
        .where(*unfinished, _needed.c.state.in_(sorted(OPEN)))
    )
    for build, prerequisite in connection.execute(edges):
        found[build].append(prerequisite)
        found.setdefault(prerequisite, [])
    return found


def set_chains(connection: Connection, lengths: Mapping[int, int]) -> None:
    """Note for builds how many others the longest chain that waits for them holds."""
    known: dict[int, int] = {}
    for some in chunks(sorted(lengths)):
        query = select(builds.c.id, builds.c.chain).where(builds.c.id.in_(some))
        known.update((row.id, row.chain) for row in connection.execute(query))
    changed: dict[int, list[int]] = {}
    for build, length in lengths.items():
        if known[build] != length:
            changed.setdefault(length, []).append(build)
    for length, ids in changed.items():
        for some in chunks(ids):
            connection.execute(update(builds).where(builds.c.id.in_(some)).values(chain=length))


def settle(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Bring waiting and blocked builds to where their prerequisites let them be: ready, blocked or waiting."""
    for state in (State.BLOCKED, State.WAITING):
        mine = _in_state(connection, ids, state)
        broken = _broken_prerequisites(connection, mine)
        if state is State.WAITING:
            for prerequisite in sorted(set(broken.values())):
                block_dependents(connection, prerequisite, now)
        else:
            freed = [build for build in mine if build not in broken]
            transition_all(connection, freed, State.BLOCKED, Event.UNBLOCK, now, message="")
            for build in freed:
                unblock_dependents(connection, build, now)
    _release(connection, ids, now)


def release_dependents(connection: Connection, build: int, now: datetime) -> None:
    """After `build` succeeded or was skipped: what waited for nothing else becomes ready."""
    unblock_dependents(connection, build, now)
    _release(connection, _dependents(connection, [build], State.WAITING), now)


def block_dependents(connection: Connection, build: int, now: datetime) -> None:
    """After `build` broke: all that wait for it, directly or through others, are blocked and say by what."""
    affected = (
        select(build_needs.c.build)
        .join(builds, builds.c.id == build_needs.c.build)
        .where(build_needs.c.needs == build, builds.c.state.in_([State.WAITING, State.READY]))
        .cte("affected", recursive=True)
    )
    affected = affected.union(
        select(build_needs.c.build)
        .join(affected, affected.c.build == build_needs.c.needs)
        .join(builds, builds.c.id == build_needs.c.build)
        .where(builds.c.state.in_([State.WAITING, State.READY]))
    )
    rows = connection.execute(
        select(builds.c.id, builds.c.state).where(builds.c.id.in_(select(affected.c.build)))
    ).all()
    message = _blocked_by(connection, build)
    for old in (State.WAITING, State.READY):
        ids = [row.id for row in rows if row.state == old]
        transition_all(connection, ids, old, Event.BLOCK, now, message=message)


def unblock_dependents(connection: Connection, build: int, now: datetime) -> None:
    """After `build` is broken no more: what it blocked, directly or through others, waits again or is ready."""
    freed: set[int] = set()
    frontier = [build]
    while frontier:
        blocked = _dependents(connection, frontier, State.BLOCKED)
        broken = _broken_prerequisites(connection, blocked)
        frontier = [dependent for dependent in blocked if dependent not in broken]
        transition_all(connection, frontier, State.BLOCKED, Event.UNBLOCK, now, message="")
        freed.update(frontier)
        for dependent, prerequisite in broken.items():
            _explain(connection, dependent, prerequisite)
    _release(connection, freed, now)


def move_needs(connection: Connection, old: Collection[int], new: int) -> None:
    """Let the builds that need one of `old`, and that are or may come back into the queue, need `new` instead."""
    for some in chunks(sorted(old)):
        dependents = select(builds.c.id).where(
            builds.c.state.not_in(sorted(_OVER)), builds.c.id == build_needs.c.build
        )
        rows = connection.execute(
            select(build_needs).where(build_needs.c.needs.in_(some), exists(dependents))
        ).all()
        has_new = set(
            connection.execute(select(build_needs.c.build).where(build_needs.c.needs == new)).scalars()
        )
        edges = {row.build: (row.build, new, row.dependency, NeedKind(row.kind)) for row in rows}
        add(connection, (edge for build, edge in edges.items() if build not in has_new))
        for builds_ in chunks(sorted(edges)):
            connection.execute(
                delete(build_needs).where(build_needs.c.needs.in_(some), build_needs.c.build.in_(builds_))
            )


def _dependents(connection: Connection, ids: Collection[int], state: State) -> list[int]:
    found: set[int] = set()
    for some in chunks(ids):
        query = (
            select(builds.c.id)
            .join(build_needs, build_needs.c.build == builds.c.id)
            .where(build_needs.c.needs.in_(some), builds.c.state == state)
        )
        found.update(connection.execute(query).scalars())
    return sorted(found)


def _in_state(connection: Connection, ids: Collection[int], state: State) -> list[int]:
    found: list[int] = []
    for some in chunks(sorted(ids)):
        query = select(builds.c.id).where(builds.c.id.in_(some), builds.c.state == state)
        found += connection.execute(query).scalars()
    return sorted(found)


def _release(connection: Connection, ids: Collection[int], now: datetime) -> None:
    unfinished = (
        select(build_needs.c.needs)
        .join(_needed, _needed.c.id == build_needs.c.needs)
        .where(build_needs.c.build == builds.c.id, _needed.c.state.not_in(sorted(SATISFIED)))
    )
    for some in chunks(sorted(ids)):
        query = select(builds.c.id).where(
            and_(builds.c.id.in_(some), builds.c.state == State.WAITING, ~exists(unfinished))
        )
        free = connection.execute(query).scalars().all()
        transition_all(connection, free, State.WAITING, Event.RELEASE, now, message="")


def _broken_prerequisites(connection: Connection, ids: Collection[int]) -> dict[int, int]:
    """By dependent, one prerequisite that keeps it blocked."""
    found: dict[int, int] = {}
    for some in chunks(ids):
        query = (
            select(build_needs.c.build, build_needs.c.needs)
            .join(_needed, _needed.c.id == build_needs.c.needs)
            .where(build_needs.c.build.in_(some), _needed.c.state.in_(sorted(BROKEN)))
            .order_by(build_needs.c.needs.desc())
        )
        found.update((dependent, prerequisite) for dependent, prerequisite in connection.execute(query))
    return found


def _explain(connection: Connection, dependent: int, prerequisite: int) -> None:
    message = _blocked_by(connection, prerequisite)
    connection.execute(update(builds).where(builds.c.id == dependent).values(message=message))


def _blocked_by(connection: Connection, build: int) -> str:
    row = connection.execute(select(builds).where(builds.c.id == build)).one()
    name = f"{row.pkgbase} {row.version} (build {row.id})"
    match State(row.state):
        case State.BLOCKED:
            return str(row.message)  # what is at the root of it
        case State.CANCELLED:
            return f"Needs {name}, which was cancelled."
        case State.TIMED_OUT:
            return f"Needs {name}, which took too long."
        case _:
            reason = f" ({row.reason})" if row.reason else ""
            return f"Needs {name}, which failed{reason}."
