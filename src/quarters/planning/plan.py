"""The plan: what has to be built for what is wanted, in which order and why; data that can be shown, drawn and kept."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from quarters.formats.format import Format
from quarters.model.build import Bump, Cause, Grounds
from quarters.model.recipe import NeedKind
from quarters.model.repository import Published
from quarters.planning import problems
from quarters.planning.catalog import Catalog
from quarters.planning.cycles import Arc, unwind
from quarters.planning.held import Held, held
from quarters.planning.lacks import Lack, by_base, lack
from quarters.planning.matching import How, Matcher
from quarters.planning.order import stages
from quarters.planning.outdated import Wanted, declared_bump, published_version, raised, standing
from quarters.planning.problems import Problem
from quarters.planning.resolve import Edge, Resolution, resolve


class PlannedBuild(msgspec.Struct, frozen=True, kw_only=True):
    """One build of a plan; `stage` is one more than the highest stage that it needs, from 0."""

    pkgbase: str
    source: str
    version: str
    """As the recipe declares it, without the bump."""
    fingerprint: str
    bump: int
    cause: Cause
    detail: str
    stage: int
    needs: tuple[Edge, ...]
    lacks: tuple[Lack, ...] = ()
    """What it waits for until an upstream brings it."""
    bumping: Bump = Bump.MINOR
    grounds: Grounds = Grounds()
    """What the detail says, for machines."""


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """A need left out of the order to break a cycle, because a published package meets it."""

    pkgbase: str
    needs: str
    message: str


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """Something asked for that is up to date."""

    pkgbase: str
    version: str
    message: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Builds in dependency order, and all that is to be said about what is not among them."""

    repository: str
    arch: str
    builds: tuple[PlannedBuild, ...]
    problems: tuple[Problem, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    current: tuple[Current, ...] = ()
    held: tuple[Held, ...] = ()


class _Selection(NamedTuple):
    """What was asked for, sorted out: recipes to build with the cause of each, what is up to date, what is unknown."""

    roots: dict[str, Wanted]
    current: list[Current]
    problems: list[Problem]


def plan(wanted: Sequence[Wanted], catalog: Catalog, format: Format) -> Plan:
    """Plan `wanted` and everything that it needs; the same for every order of `wanted`."""
    selection = _select(wanted, catalog, format)
    matcher = Matcher(catalog, format)
    resolution = resolve(selection.roots, catalog, matcher, format)
    edges, circles, dropped = _unwound(_with_links(resolution.edges, catalog), matcher, format)
    found = [*selection.problems]
    expected = {ask: one for ask in resolution.missing if (one := lack(ask, catalog, format)) is not None}
    lacking = by_base((ask.pkgbase, one) for ask, one in expected.items())
    missing = [ask for ask in resolution.missing if ask not in expected]
    found += [problems.unresolvable(ask, resolution, catalog) for ask in missing]
    found += [problems.cycle(circle) for circle in circles]
    broken = {ask.pkgbase for ask in missing}.union(*circles)
    found += problems.dependents(broken, edges)
    kept = _reachable([root for root in selection.roots if root not in broken], edges)
    order = stages({pkgbase: {edge.pkgbase for edge in edges[pkgbase]} for pkgbase in kept})
    builds = [
        _build(
            pkgbase, stage, edges[pkgbase], _reason(pkgbase, selection, resolution, catalog, format), catalog
        )
        for stage, pkgbases in enumerate(order)
        for pkgbase in pkgbases
    ]
    return Plan(
        repository=catalog.repository,
        arch=catalog.arch,
        builds=tuple(msgspec.structs.replace(one, lacks=lacking.get(one.pkgbase, ())) for one in builds),
        problems=tuple(found),
        dropped=tuple(entry for entry in dropped if entry.pkgbase in kept),
        current=tuple(selection.current),
        held=held([*kept, *(entry.pkgbase for entry in selection.current)], catalog.reviews),
    )


# When one recipe is wanted for several reasons: a person's wish says most, then a rebuild, then what was found.
_RANK = {Cause.REQUESTED: 0, Cause.REBUILD: 1, Cause.SCHEDULE: 2}


def _select(wanted: Sequence[Wanted], catalog: Catalog, format: Format) -> _Selection:
    selection = _Selection({}, [], [])
    asked: dict[str, list[Wanted]] = {}
    for entry in sorted(set(wanted), key=lambda it: (it.name, it.cause, it.force)):
        for pkgbase in _bearers(entry.name, catalog):
            asked.setdefault(pkgbase, []).append(entry)
    for name in sorted({entry.name for entry in wanted if not _bearers(entry.name, catalog)}):
        selection.problems.append(problems.unknown(name, catalog))
    for pkgbase, entries in sorted(asked.items()):
        cause = min((entry.cause for entry in entries), key=lambda it: _RANK.get(it, len(_RANK)))
        bump = all(entry.bump for entry in entries)
        force = any(entry.force or entry.cause is Cause.REBUILD for entry in entries)
        now = standing(pkgbase, catalog, format)
        if not catalog.builds_here(catalog.recipes[pkgbase].recipe):
            if cause is Cause.REQUESTED:
                selection.problems.append(problems.wrong_arch(pkgbase, catalog))
        elif now.cause is None and not force and not _tells_by_building(cause, pkgbase, catalog):
            version = published_version(pkgbase, catalog, format) or ""
            selection.current.append(
                Current(pkgbase=pkgbase, version=version, message=f"{pkgbase} {now.detail}.")
            )
        else:
            cause = cause if cause in _RANK else now.cause or cause
            selection.roots[pkgbase] = Wanted(pkgbase, cause, force, bump)
    return selection


def _tells_by_building(cause: Cause, pkgbase: str, catalog: Catalog) -> bool:
    """Whether only a build can tell if there is something new, and the clock asks for that."""
    return cause is Cause.SCHEDULE and catalog.recipes[pkgbase].recipe.dynamic_version


def _bearers(name: str, catalog: Catalog) -> tuple[str, ...]:
    """The recipe of this name, else the first that makes a package of this name."""
    return (name,) if name in catalog.recipes else catalog.bearers.get(name, ())[:1]


def _with_links(edges: Mapping[str, tuple[Edge, ...]], catalog: Catalog) -> Mapping[str, tuple[Edge, ...]]:
    """The needs that recipes tell, and those that only their packages' files do: what links to a library comes after it."""
    if not catalog.linked:
        return edges
    found = dict(edges)
    for pkgbase, providers in catalog.links(edges.keys()).items():
        told = {edge.pkgbase for edge in edges[pkgbase]}
        found[pkgbase] += tuple(
            Edge(provider, soname, NeedKind.DEPENDS, How.LINK)
            for provider, soname in sorted(providers.items())
            if provider not in told
        )
    return found


class _Unwound(NamedTuple):
    edges: dict[str, tuple[Edge, ...]]
    circles: tuple[tuple[str, ...], ...]
    dropped: list[Dropped]


# Old versions do least harm where they only run tests, most where the new package links to them.
_LINK_COST = -1
_COST = {NeedKind.CHECKDEPENDS: 0, NeedKind.MAKEDEPENDS: 1, NeedKind.DEPENDS: 2}


def _unwound(edges: Mapping[str, tuple[Edge, ...]], matcher: Matcher, format: Format) -> _Unwound:
    """Leave out what published packages can stand in for, as far as cycles make it necessary."""

    def stand_ins(arc: Arc) -> list[tuple[Edge, Published | None]]:
        between = (edge for edge in edges[arc.tail] if edge.pkgbase == arc.head)
        return [(edge, matcher.available(format.parse_dependency(edge.dependency))) for edge in between]

    def cost(arc: Arc) -> int | None:
        found = [it for it in stand_ins(arc) if it[0].how is not How.LINK]
        if not found:
            return _LINK_COST  # The published package is there, or nothing would link to it.
        return max(_COST[edge.kind] for edge, _ in found) if all(package for _, package in found) else None

    graph = {pkgbase: dict.fromkeys(edge.pkgbase for edge in needs) for pkgbase, needs in edges.items()}
    arcs, circles = unwind(graph, cost)
    left = dict(edges)
    dropped = []
    for arc in arcs:
        left[arc.tail] = tuple(edge for edge in left[arc.tail] if edge.pkgbase != arc.head)
        names = dict.fromkeys(f"{package.name} {package.version}" for _, package in stand_ins(arc) if package)
        message = (
            f"{arc.tail} and {arc.head} need each other: {arc.tail} is built with the published "
            f"{', '.join(names) or arc.head}, and does not wait for {arc.head}."
        )
        dropped.append(Dropped(pkgbase=arc.tail, needs=arc.head, message=message))
    return _Unwound(left, circles, dropped)


def _reachable(roots: Sequence[str], edges: Mapping[str, tuple[Edge, ...]]) -> set[str]:
    """The roots and all that they need: what joined only for something broken is not worth a build."""
    found = set(roots)
    todo = list(roots)
    while todo:
        for edge in edges[todo.pop()]:
            if edge.pkgbase not in found:
                found.add(edge.pkgbase)
                todo.append(edge.pkgbase)
    return found


class _Reason(NamedTuple):
    cause: Cause
    bump: int
    grounds: Grounds


def _reason(
    pkgbase: str, selection: _Selection, resolution: Resolution, catalog: Catalog, format: Format
) -> _Reason:
    """Why `pkgbase` is in the plan, and the bump that its files need to differ from those published."""
    now = standing(pkgbase, catalog, format)
    ask = resolution.joined[pkgbase]
    clocked = ask is None and selection.roots[pkgbase].cause is Cause.SCHEDULE
    bump = raised(pkgbase, catalog, format) if now.cause is None and not clocked else now.bump
    if ask is not None:
        needed = str(ask.need.dependency)
        detail = f"{ask.pkgbase} needs {needed} ({ask.need.kind}); {now.detail}"
        return _Reason(
            Cause.DEPENDENCY, bump, Grounds(detail=detail, dependent=ask.pkgbase, dependency=needed)
        )
    wanted = selection.roots[pkgbase]
    if not wanted.bump and now.cause in (None, Cause.REBUILD):
        bump = declared_bump(catalog.recipes[pkgbase].recipe, format)
    words = {Cause.REQUESTED: "requested; ", Cause.SCHEDULE: "scheduled; "}
    if wanted.cause is Cause.REBUILD and now.cause is not Cause.REBUILD:
        words[Cause.REBUILD] = "to be built again; "
    detail = f"{words.get(wanted.cause, '')}{now.detail}"
    if not (lost := catalog.broken.get(pkgbase)):
        return _Reason(wanted.cause, bump, Grounds(detail=detail))
    library, successor = lost[0].library.soname, lost[0].successor
    return _Reason(wanted.cause, bump, Grounds(detail=detail, library=library, successor=successor))


def _build(
    pkgbase: str, stage: int, needs: tuple[Edge, ...], reason: _Reason, catalog: Catalog
) -> PlannedBuild:
    candidate = catalog.recipes[pkgbase]
    return PlannedBuild(
        pkgbase=pkgbase,
        source=candidate.source,
        version=candidate.recipe.version,
        fingerprint=candidate.fingerprint,
        bump=reason.bump,
        cause=reason.cause,
        detail=reason.grounds.detail,
        stage=stage,
        needs=needs,
        bumping=catalog.bumping,
        grounds=reason.grounds,
    )
