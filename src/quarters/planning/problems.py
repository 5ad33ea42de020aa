"""What keeps recipes out of a plan, in words and with the names that a person needs to mend it."""

from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum

import msgspec

from quarters.model.recipe import Dependency
from quarters.planning.catalog import Catalog
from quarters.planning.resolve import Ask, Edge, Resolution


class ProblemKind(StrEnum):
    """Why something is not planned."""

    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"
    WRONG_ARCH = "wrong_arch"
    UNRESOLVABLE = "unresolvable"
    CYCLE = "cycle"
    DEPENDENT = "dependent"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that cannot be planned: `chain` leads from what was asked for to what is missing, or round a cycle."""

    kind: ProblemKind
    name: str
    """The pkgbase, or the requested name that nothing knows."""
    message: str
    chain: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    """Known names that resemble an unknown one."""


def unknown(name: str, catalog: Catalog) -> Problem:
    """A requested name that no recipe bears, or whose recipe cannot be used here."""
    if name in catalog.unreadable:
        message = f"The recipe of {name} cannot be read: {catalog.unreadable[name]}"
        return Problem(kind=ProblemKind.UNREADABLE, name=name, message=message)
    if name in catalog.reviews:
        message = (
            f"The recipe of {name} waits for review {catalog.reviews[name]}, and none was in force before."
        )
        return Problem(kind=ProblemKind.UNREADABLE, name=name, message=message)
    known = {*catalog.recipes, *catalog.bearers, *catalog.unreadable}
    near = tuple(get_close_matches(name, sorted(known), n=3))
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    message = f"No source has a recipe named {name}.{hint}"
    return Problem(kind=ProblemKind.UNKNOWN, name=name, message=message, near=near)


def wrong_arch(pkgbase: str, catalog: Catalog) -> Problem:
    """A requested recipe that cannot be built for the catalog's architecture."""
    arches = ", ".join(catalog.recipes[pkgbase].recipe.arches)
    message = f"{pkgbase} cannot be built for {catalog.arch}: its recipe is for {arches}."
    return Problem(kind=ProblemKind.WRONG_ARCH, name=pkgbase, message=message)


def unresolvable(ask: Ask, resolution: Resolution, catalog: Catalog) -> Problem:
    """A need that nothing satisfies, with the way that leads to it and what there is under that name."""
    chain = (*_way_to(ask.pkgbase, resolution.joined), str(ask.need.dependency))
    message = f"Nothing satisfies {ask.need.dependency}: {' -> '.join(chain)} ({ask.need.kind})."
    known = _known_as(ask.need.dependency, catalog)
    if known:
        message = f"{message} There is only {known}."
    return Problem(kind=ProblemKind.UNRESOLVABLE, name=ask.pkgbase, message=message, chain=chain)


def cycle(circle: tuple[str, ...]) -> Problem:
    """Recipes that need each other, none of which is published."""
    way = " -> ".join(circle)
    message = f"These need each other, and no published version can stand in: {way}."
    return Problem(kind=ProblemKind.CYCLE, name=circle[0], message=message, chain=circle)


def dependents(broken: set[str], edges: Mapping[str, tuple[Edge, ...]]) -> list[Problem]:
    """A problem for each recipe that needs a broken one, at whatever remove; `broken` grows by them."""
    needed_by: dict[str, dict[str, None]] = {}
    for pkgbase in sorted(edges):
        for edge in edges[pkgbase]:
            needed_by.setdefault(edge.pkgbase, {})[pkgbase] = None
    found = []
    frontier = sorted(broken)
    while frontier:
        following: list[str] = []
        for cause in frontier:
            for pkgbase in needed_by.get(cause, ()):
                if pkgbase not in broken:
                    broken.add(pkgbase)
                    following.append(pkgbase)
                    message = f"{pkgbase} needs {cause}, which cannot be built."
                    found.append(
                        Problem(
                            kind=ProblemKind.DEPENDENT, name=pkgbase, message=message, chain=(pkgbase, cause)
                        )
                    )
        frontier = following
    return found


def _way_to(pkgbase: str, joined: Mapping[str, Ask | None]) -> tuple[str, ...]:
    """From the recipe that was asked for, along the needs that brought the others in, to `pkgbase`."""
    way = [pkgbase]
    while (ask := joined[way[-1]]) is not None:
        way.append(ask.pkgbase)
    return tuple(reversed(way))


def _known_as(dependency: Dependency, catalog: Catalog) -> str:
    """What goes by the name without satisfying the constraint."""
    name = dependency.name
    found = [
        f"{name} {catalog.recipes[base].recipe.version} (recipe)" for base in catalog.bearers.get(name, ())
    ]
    found += [f"{provision} (recipe {pkgbase})" for _, pkgbase, provision in catalog.offerings.get(name, ())]
    for place, provisions in (
        ("published", catalog.published_provisions),
        ("upstream", catalog.upstream_provisions),
    ):
        found += [f"{provision} ({place}, {package.name})" for package, provision in provisions.get(name, ())]
    if name in catalog.unreadable:
        found.append(f"a recipe of {name} that cannot be read")
    return ", ".join(list(dict.fromkeys(found))[:3])
