"""Which recipes a plan holds, and which of them each one needs: membership to a fixpoint first, edges afterwards."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from quarters.formats.format import Format
from quarters.model.recipe import Dependency, Need, NeedKind
from quarters.planning.catalog import Catalog
from quarters.planning.matching import How, Match, Matcher
from quarters.planning.outdated import standing


class Edge(msgspec.Struct, frozen=True, gc=False):
    """That a build needs the recipe `pkgbase` built before it: for which dependency, when, and by what that satisfies it."""

    pkgbase: str
    dependency: str
    kind: NeedKind
    how: How


class Ask(NamedTuple):
    """One need of one recipe."""

    pkgbase: str
    need: Need


class Resolution(NamedTuple):
    """The recipes of a plan; `joined` says for those that nobody asked for whose need brought them in."""

    joined: Mapping[str, Ask | None]
    edges: Mapping[str, tuple[Edge, ...]]
    missing: tuple[Ask, ...]


def resolve(roots: Iterable[str], catalog: Catalog, matcher: Matcher, format: Format) -> Resolution:
    """Find everything that building `roots` (pkgbases) takes; the answer does not depend on their order."""
    joined = _Membership(catalog, matcher, format).grow(roots)
    edges: dict[str, tuple[Edge, ...]] = {}
    missing: dict[tuple[str, Dependency], Ask] = {}
    for pkgbase in sorted(joined):
        found: dict[Edge, None] = {}
        for need in catalog.recipes[pkgbase].recipe.needs_for(catalog.arch, checks=catalog.checks):
            match = _choose(pkgbase, need, joined, matcher)
            if match is not None:
                found[Edge(match.pkgbase, str(need.dependency), need.kind, match.how)] = None
            elif not _met(pkgbase, need, joined, matcher):
                missing.setdefault((pkgbase, need.dependency), Ask(pkgbase, need))
        edges[pkgbase] = tuple(found)
    return Resolution(joined, edges, tuple(missing.values()))


class _Membership:
    """Grows the set of recipes in rounds, each decided from the whole set, so that the order of asking never matters."""

    def __init__(self, catalog: Catalog, matcher: Matcher, format: Format) -> None:
        self._catalog = catalog
        self._matcher = matcher
        self._format = format
        self._members: dict[str, Ask | None] = {}

    def grow(self, roots: Iterable[str]) -> dict[str, Ask | None]:
        self._members = dict.fromkeys(sorted(roots))
        fresh = list(self._members)
        pending: list[tuple[Ask, list[Match]]] = []
        while fresh:
            pending += [entry for pkgbase in fresh for entry in self._open(pkgbase)]
            pending = [entry for entry in pending if not self._is_met(entry[0])]
            before = len(self._members)
            # Bearers of a name join first: what they bring may spare a choice among providers.
            self._join(pending, by_name=True)
            if len(self._members) == before:
                self._join(pending, by_name=False)
            fresh = sorted(list(self._members)[before:])
        return self._members

    def _open(self, pkgbase: str) -> Iterable[tuple[Ask, list[Match]]]:
        """The unmet needs of a new member that some other recipe could meet."""
        recipe = self._catalog.recipes[pkgbase].recipe
        for need in recipe.needs_for(self._catalog.arch, checks=self._catalog.checks):
            ask = Ask(pkgbase, need)
            if not self._is_met(ask):
                matches = [
                    match for match in self._matcher.recipes(need.dependency) if self._helps(match, pkgbase)
                ]
                if matches:
                    yield ask, matches

    def _helps(self, match: Match, pkgbase: str) -> bool:
        if match.pkgbase == pkgbase:
            return False
        # A recipe that is up to date would only make the sonames again that are published, and those do not do.
        return match.how is not How.SONAME or (
            standing(match.pkgbase, self._catalog, self._format).cause is not None
        )

    def _join(self, pending: list[tuple[Ask, list[Match]]], *, by_name: bool) -> None:
        for ask, matches in pending:
            if (matches[0].how is How.NAME) is by_name and not self._is_met(ask):
                self._members[matches[0].pkgbase] = ask

    def _is_met(self, ask: Ask) -> bool:
        return _met(ask.pkgbase, ask.need, self._members, self._matcher)


def _met(pkgbase: str, need: Need, members: Mapping[str, object], matcher: Matcher) -> bool:
    if matcher.available(need.dependency) is not None:
        return True
    return any(
        match.pkgbase in members and (match.pkgbase != pkgbase or need.kind is NeedKind.DEPENDS)
        for match in matcher.recipes(need.dependency)
    )


def _choose(pkgbase: str, need: Need, members: Mapping[str, object], matcher: Matcher) -> Match | None:
    """The recipe to build before `pkgbase` for this need; None if it takes no build, or if nothing satisfies it."""
    matches = [match for match in matcher.recipes(need.dependency) if match.pkgbase in members]
    if matcher.named(need.dependency):
        # To wait for a mere provider would be for nothing: when the root is furnished, the package of that name goes in.
        matches = [match for match in matches if match.how is How.NAME]
    others = [match for match in matches if match.pkgbase != pkgbase]
    if need.kind is not NeedKind.DEPENDS:
        # What a build needs to begin it cannot make itself: a compiler that is built with itself comes from elsewhere.
        if others or matcher.available(need.dependency) is not None:
            return others[0] if others else None
        return matches[0] if matches else None
    named = [match for match in matches if match.how is How.NAME]
    best = named or matches
    if any(match.pkgbase == pkgbase for match in best):
        return None  # Another output of its own.
    return best[0] if best else None
