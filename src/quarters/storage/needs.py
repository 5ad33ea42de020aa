"""What builds need of each other: what the end of one means for all that wait for it, in a few statements."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, exists, insert, or_, select, update

from quarters.model.build import BROKEN, OPEN, SATISFIED, Event, State
from quarters.model.recipe import NeedKind
from quarters.storage.schema import build_needs, builds, lacks, successions
from quarters.storage.transitions import chunks, is_in, transition_all

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
_LACKING = select(lacks.c.build).where(lacks.c.build == builds.c.id)
_UNFINISHED = (
    select(build_needs.c.needs)
    .join(_needed, _needed.c.id == build_needs.c.needs)
    .outerjoin(successions, successions.c.build == _needed.c.id)
    .where(
        build_needs.c.build == builds.c.id,
        or_(~is_in(_needed, SATISFIED), successions.c.build.is_not(None)),
    )
)
# Statements of every end are made once: making one takes longer than running it.
_FREE = select(builds.c.id).where(
    builds.c.id.in_(bindparam("its_ids", expanding=True)),
    is_in(builds, [State.WAITING]),
    ~exists(_UNFINISHED),
    ~exists(_LACKING),
)
_HELD_UP = (
    select(builds.c.id, builds.c.state)
    .join(build_needs, build_needs.c.build == builds.c.id)
    .where(build_needs.c.needs == bindparam("its_build"), is_in(builds, [State.WAITING, State.BLOCKED]))
)


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


def in_state(connection: Connection, ids: Collection[int], state: State) -> list[int]:
    """Those of `ids` that are in `state`."""
    found: list[int] = []
    for some in chunks(sorted(ids)):
        query = select(builds.c.id).where(builds.c.id.in_(some), is_in(builds, [state]))
        found += connection.execute(query).scalars()
    return sorted(found)


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
        .where(*unfinished, is_in(_needed, OPEN))
    )
    for build, prerequisite in connection.execute(edges):
        found[build].append(prerequisite)
        found.setdefault(prerequisite, [])
    return found


def set_chains(connection: Connection, seconds: Mapping[int, int]) -> None:
    """Note for builds how long the longest chain takes that begins with each of them."""
    known: dict[int, int] = {}
    for some in chunks(sorted(seconds)):
        query = select(builds.c.id, builds.c.chain).where(builds.c.id.in_(some))
        known.update((row.id, row.chain) for row in connection.execute(query))
    changed = [
        {"of": build, "new": length} for build, length in sorted(seconds.items()) if known[build] != length
    ]
    if changed:
        statement = update(builds).where(builds.c.id == bindparam("of")).values(chain=bindparam("new"))
        connection.execute(statement, changed)


def settle(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Bring waiting and blocked builds to where their prerequisites let them be: ready, blocked or waiting."""
    blocked = in_state(connection, ids, State.BLOCKED)
    broken = _broken_prerequisites(connection, blocked)
    freed = [build for build in blocked if build not in broken]
    transition_all(connection, freed, State.BLOCKED, Event.UNBLOCK, now, message="")
    unblock_dependents(connection, freed, now)
    causes = _broken_prerequisites(connection, in_state(connection, ids, State.WAITING)).values()
    for prerequisite in sorted(set().union(*causes)):
        block_dependents(connection, prerequisite, now)
    _release(connection, ids, now)


def release_dependents(connection: Connection, build: int, now: datetime) -> None:
    """After `build` succeeded or was skipped: what waited for nothing else becomes ready."""
    # Most builds have nobody who waits for them, which is seen at one glance.
    held_up = {row.id: State(row.state) for row in connection.execute(_HELD_UP, {"its_build": build})}
    if State.BLOCKED in held_up.values():
        unblock_dependents(connection, [build], now)
    _release(connection, held_up, now)


def block_dependents(connection: Connection, build: int, now: datetime) -> None:
    """After `build` broke: all that wait for it, directly or through others, are blocked and say by what."""
    message = _blocked_by(connection, build)
    waiting = behind(connection, [build], (State.WAITING, State.READY))
    for old in (State.WAITING, State.READY):
        ids = [number for number, state in waiting.items() if state is old]
        transition_all(connection, ids, old, Event.BLOCK, now, message=message)


def unblock_dependents(connection: Connection, mended: Collection[int], now: datetime) -> None:
    """After `mended` are broken no more: what they blocked, directly or through others, waits again."""
    blocked = behind(connection, mended, (State.BLOCKED,))
    broken = _broken_prerequisites(connection, blocked)
    blocks: dict[int, list[int]] = {}
    for dependent, prerequisites in broken.items():
        for prerequisite in prerequisites:
            blocks.setdefault(prerequisite, []).append(dependent)
    todo = [build for build in blocked if build not in broken]
    freed = set(todo)
    while todo:
        prerequisite = todo.pop()
        for dependent in blocks.get(prerequisite, ()):
            broken[dependent].discard(prerequisite)
            if not broken[dependent]:
                freed.add(dependent)
                todo.append(dependent)
    transition_all(connection, freed, State.BLOCKED, Event.UNBLOCK, now, message="")
    _explain(connection, {build: causes for build, causes in broken.items() if causes})


def move_needs(connection: Connection, moves: Mapping[int, int]) -> None:
    """Let builds that need an old one need the new one instead, by old one; nothing may need a new one yet.

    This holds for all that are in the queue or may come back into it.
    """
    edges: dict[tuple[int, int], Edge] = {}
    for some in chunks(sorted(moves)):
        rows = connection.execute(
            select(build_needs)
            .join(builds, builds.c.id == build_needs.c.build)
            .where(build_needs.c.needs.in_(some), ~is_in(builds, _OVER))
        ).all()
        for row in rows:
            new = moves[row.needs]
            edges[row.build, new] = (row.build, new, row.dependency, NeedKind(row.kind))
        dependents = sorted({row.build for row in rows})
        drop(connection, dependents, some)
    add(connection, edges.values())


def behind(connection: Connection, ids: Collection[int], through: Collection[State]) -> dict[int, State]:
    """All that need one of `ids`, directly or through others, as far as they are in one of the states `through`."""
    found: dict[int, State] = {}
    for some in chunks(sorted(ids)):
        first = (
            select(build_needs.c.build)
            .join(builds, builds.c.id == build_needs.c.build)
            .where(build_needs.c.needs.in_(some), is_in(builds, through))
            .cte("behind", recursive=True)
        )
        all_ = first.union(
            select(build_needs.c.build)
            .join(first, first.c.build == build_needs.c.needs)
            .join(builds, builds.c.id == build_needs.c.build)
            .where(is_in(builds, through))
        )
        query = select(builds.c.id, builds.c.state).where(builds.c.id.in_(select(all_.c.build)))
        found.update((row.id, State(row.state)) for row in connection.execute(query))
    return found


def _dependents(connection: Connection, ids: Collection[int], state: State) -> list[int]:
    found: set[int] = set()
    for some in chunks(ids):
        query = (
            select(builds.c.id)
            .join(build_needs, build_needs.c.build == builds.c.id)
            .where(build_needs.c.needs.in_(some), is_in(builds, [state]))
        )
        found.update(connection.execute(query).scalars())
    return sorted(found)


def _release(connection: Connection, ids: Collection[int], now: datetime) -> None:
    for some in chunks(sorted(ids)):
        free = connection.execute(_FREE, {"its_ids": some}).scalars().all()
        transition_all(connection, free, State.WAITING, Event.RELEASE, now, message="")


def _broken_prerequisites(connection: Connection, ids: Collection[int]) -> dict[int, set[int]]:
    """By dependent, the prerequisites that keep it from going on; those with none are left out."""
    found: dict[int, set[int]] = {}
    for some in chunks(sorted(ids)):
        query = (
            select(build_needs.c.build, build_needs.c.needs)
            .join(_needed, _needed.c.id == build_needs.c.needs)
            .where(build_needs.c.build.in_(some), is_in(_needed, BROKEN))
        )
        for dependent, prerequisite in connection.execute(query):
            found.setdefault(dependent, set()).add(prerequisite)
    return found


def _explain(connection: Connection, broken: Mapping[int, Collection[int]]) -> None:
    """Let blocked builds, by what blocks them, name what is at the root of it."""
    roots: dict[int, list[int]] = {}
    for build, causes in broken.items():
        root = max(causes)
        while root in broken:
            root = max(broken[root])
        roots.setdefault(root, []).append(build)
    for root, ids in roots.items():
        message = _blocked_by(connection, root)
        for some in chunks(ids):
            connection.execute(update(builds).where(builds.c.id.in_(some)).values(message=message))


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
