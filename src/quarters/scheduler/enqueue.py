"""Turns a plan into builds, in one transaction: joins what is queued, replaces what is outdated, links what needs what."""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from quarters.model.build import BROKEN, SATISFIED, Cause, State
from quarters.model.recipe import SourcedRecipe
from quarters.model.repository import Supersede
from quarters.planning.cycles import knots
from quarters.planning.order import remaining_path
from quarters.planning.plan import Plan, PlannedBuild
from quarters.planning.resolve import Edge as Need
from quarters.storage import (
    builds,
    lacks,
    needs,
    rebuilds,
    repositories,
    requests,
    successions,
    usage,
    wishes,
)
from quarters.storage.needs import Edge
from quarters.storage.requests import Earlier

_SETTLED = frozenset({State.WAITING, State.BLOCKED})
"""States in which a build's prerequisites still matter."""


_RUNNING = frozenset({State.RUNNING, State.PUBLISHING})
"""States of a build that is worked on."""

_CHANGES = frozenset({Cause.NEW, Cause.NEW_VERSION, Cause.RECIPE_CHANGED})
"""Causes that lie in the recipe alone."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf a plan is carried out.

    `automatic` leaves alone what failed with the very same recipe, and what succeeded with it and was taken back since
    (a rollback, a removal): both wait for a person.
    """

    request: int
    requester: str
    priority: int = 0
    automatic: bool = False
    rebuild: int | None = None
    """The rebuild with which everything becomes visible."""
    allow_downgrade: bool = False


class Enqueued(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a plan, by pkgbase: new builds, ones that were there, and ended ones that are left alone."""

    created: dict[str, int]
    joined: dict[str, int]
    held: dict[str, int]

    @property
    def queued(self) -> bool:
        """Whether there is anything to wait for."""
        return bool(self.created or self.joined)


def enqueue(
    connection: Connection, plan: Plan, recipes: dict[str, SourcedRecipe], order: Order, now: datetime
) -> Enqueued:
    """Queue the builds of `plan`; `recipes` holds the recipe of each."""
    there = requests.open_builds(connection, plan.repository, plan.arch)
    ended = requests.latest_ended(
        connection, plan.repository, plan.arch, {build.pkgbase for build in plan.builds}
    )
    broken = {pkgbase: one for pkgbase, one in ended.items() if one.state in BROKEN}
    joined, held, fresh = _sorted_out(plan, recipes, there, ended, order)
    fresh = _after_running(connection, plan.repository, fresh, there, joined, order)
    builds.supersede(connection, [there[one.pkgbase].id for one in fresh if one.pkgbase in there], now)
    rows = [_row(build, plan, recipes[build.pkgbase], order, now) for build in fresh]
    created = dict(
        zip((build.pkgbase for build in fresh), requests.insert_builds(connection, rows), strict=True)
    )
    requests.press(connection, joined.values(), order.priority, allow_downgrade=order.allow_downgrade)
    moves = {
        found[pkgbase].id: number
        for pkgbase, number in created.items()
        for found in (there, broken)
        if pkgbase in found
    }
    followed = successions.pending(connection, plan.repository, plan.arch)
    moves |= {followed[pkgbase]: number for pkgbase, number in created.items() if pkgbase in followed}
    needs.move_needs(connection, moves)
    wishes.add(connection, order.request, {*created.values(), *joined.values()})
    wishes.move(connection, {there[it].id: number for it, number in created.items() if it in there})
    _link(connection, plan, created, joined, held)
    untangled = _untangle(connection, plan, created | joined | held)
    _regroup(connection, plan, created, joined, order, (there, ended))
    _note_lacks(connection, plan, created, joined)
    needs.unblock_dependents(connection, moves.values(), now)
    needs.settle(connection, {*created.values(), *joined.values(), *untangled}, now)
    return Enqueued(created=created, joined=joined, held=held)


def _sorted_out(
    plan: Plan,
    recipes: Mapping[str, SourcedRecipe],
    there: dict[str, Earlier],
    ended: dict[str, Earlier],
    order: Order,
) -> tuple[dict[str, int], dict[str, int], list[PlannedBuild]]:
    """What to join, what to leave alone, and what to build; prerequisites come before what needs them."""
    joined: dict[str, int] = {}
    held: dict[str, int] = {}
    fresh: dict[str, PlannedBuild] = {}
    for build in plan.builds:
        queued, last = there.get(build.pkgbase), ended.get(build.pkgbase)
        if queued is not None and (queued.fingerprint, queued.bump) == (build.fingerprint, build.bump):
            joined[build.pkgbase] = queued.id
        elif (
            queued is None
            and last is not None
            and _is_left(build, last, fresh, order, may_differ=_may_differ(build, recipes[build.pkgbase]))
        ):
            held[build.pkgbase] = last.id
        else:
            fresh[build.pkgbase] = build
    return joined, held, list(fresh.values())


def _after_running(
    connection: Connection,
    repository: str,
    fresh: list[PlannedBuild],
    there: dict[str, Earlier],
    joined: dict[str, int],
    order: Order,
) -> list[PlannedBuild]:
    """What is built now: where running builds are left to finish, newer ones follow them, and they count as joined."""
    if repositories.get(connection, repository).supersede_running is Supersede.CANCEL:
        return fresh
    now = []
    for build in fresh:
        queued = there.get(build.pkgbase)
        if queued is None or queued.state not in _RUNNING:
            now.append(build)
            continue
        joined[build.pkgbase] = queued.id
        successions.put(connection, queued.id, build.version, order.request, order.priority)
    return now


def _is_left(
    build: PlannedBuild, last: Earlier, fresh: Container[str], order: Order, *, may_differ: bool
) -> bool:
    """Whether what became of the last build stands, instead of another try."""
    same = (last.fingerprint, last.bump) == (build.fingerprint, build.bump)
    if last.rebuild is not None and last.state in SATISFIED and same:
        return True  # it becomes visible with the rest of its rebuild
    return order.automatic and not may_differ and _is_held(build, last, fresh)


def _regroup(
    connection: Connection,
    plan: Plan,
    created: dict[str, int],
    joined: dict[str, int],
    order: Order,
    earlier: Iterable[dict[str, Earlier]],
) -> None:
    """Let builds belong to the rebuild that is ordered, or to that of the build whose place they take."""
    if order.rebuild is not None:
        rebuilds.join(connection, [*created.values(), *joined.values()], order.rebuild)
    for pkgbase, number in created.items():
        for known in earlier:
            if pkgbase in known and (theirs := known[pkgbase].rebuild) is not None:
                rebuilds.join(connection, [number], order.rebuild or theirs)
                if order.rebuild not in (None, theirs):
                    rebuilds.join(connection, [known[pkgbase].id], order.rebuild)
    rebuilds.spread(connection, plan.repository)


def _may_differ(build: PlannedBuild, sourced: SourcedRecipe) -> bool:
    """Whether the clock asks for a recipe whose sources move on without it: what failed may work by now."""
    recipe = sourced.recipe
    return build.cause is Cause.SCHEDULE and recipe is not None and recipe.dynamic_version


def _is_held(build: PlannedBuild, last: Earlier, fresh: Container[str]) -> bool:
    if last.fingerprint != build.fingerprint:
        return False
    if last.state in SATISFIED:
        return build.cause in _CHANGES
    # A prerequisite that is built anew may mend what failed.
    return not any(edge.pkgbase in fresh for edge in build.needs)


def _row(
    build: PlannedBuild, plan: Plan, sourced: SourcedRecipe, order: Order, now: datetime
) -> dict[str, Any]:
    origin = sourced.origin
    return {
        "request_id": order.request,
        "repository": plan.repository,
        "arch": plan.arch,
        "pkgbase": build.pkgbase,
        "source": origin.source,
        "path": origin.path,
        "revision": origin.revision,
        "version": build.version,
        "fingerprint": build.fingerprint,
        "recipe": sourced.recipe,
        "cause": build.cause,
        "requester": order.requester,
        "packager": origin.author or order.requester,
        "bump": build.bump,
        "bumping": build.bumping,
        "allow_downgrade": order.allow_downgrade,
        "grounds": build.grounds,
        "priority": order.priority,
        "created_at": now,
        "message": "",
    }


def _link(
    connection: Connection, plan: Plan, created: dict[str, int], joined: dict[str, int], held: dict[str, int]
) -> None:
    """Store the plan's edges; a build that was queued before keeps only those to builds outside of the plan."""
    numbers = created | joined | held
    states = needs.states(connection, joined.values())
    open_ = {pkgbase for pkgbase, number in joined.items() if states[number] in _SETTLED}
    needs.drop(connection, [joined[pkgbase] for pkgbase in open_], set(numbers.values()))
    needs.add(
        connection,
        (
            edge
            for build in plan.builds
            if build.pkgbase in created or build.pkgbase in open_
            for edge in _edges(build, numbers)
        ),
    )


def _note_lacks(connection: Connection, plan: Plan, created: dict[str, int], joined: dict[str, int]) -> None:
    """Store what builds wait for that no build brings; of those that were queued before, as the plan sees it now."""
    states = needs.states(connection, joined.values())
    waiting = {pkgbase: number for pkgbase, number in joined.items() if states[number] in _SETTLED}
    numbers = created | waiting
    lacks.put(connection, {numbers[it.pkgbase]: it.lacks for it in plan.builds if it.pkgbase in numbers})


def _edges(build: PlannedBuild, numbers: dict[str, int]) -> Iterable[Edge]:
    """One edge to each prerequisite, for the first dependency that says so."""
    first: dict[str, Need] = {}
    for edge in build.needs:
        first.setdefault(edge.pkgbase, edge)
    for pkgbase, edge in first.items():
        yield numbers[build.pkgbase], numbers[pkgbase], edge.dependency, edge.kind


def _untangle(connection: Connection, plan: Plan, numbers: dict[str, int]) -> set[int]:
    """Note how long a chain waits for each build, after dropping older edges that would close a circle with the plan's.

    A plan has no circles, but builds that were queued by earlier plans may need each other the other way round.
    Returns the builds that lost an edge.
    """
    graph = needs.graph(connection, plan.repository, plan.arch)
    planned = {(edge[0], edge[1]) for build in plan.builds for edge in _edges(build, numbers)}
    named = {str(build): [str(head) for head in heads] for build, heads in graph.items()}
    changed: set[int] = set()
    for knot in knots(named):
        members = {int(name) for name in knot}
        for build in members:
            stale = [h for h in graph[build] if h in members and (build, h) not in planned]
            needs.drop(connection, [build], set(stale))
            graph[build] = [head for head in graph[build] if head not in stale]
            changed.update([build] if stale else [])
    needs.set_chains(connection, remaining_path(graph, usage.durations(connection, graph)))
    return changed
