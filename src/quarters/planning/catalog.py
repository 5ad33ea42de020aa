"""All that is known for one repository and one architecture when a plan is made."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import msgspec

from quarters.model.build import Bump
from quarters.model.recipe import Output, Provision, Recipe
from quarters.model.repository import Published
from quarters.planning.rebuilds import Linked, Loss, links


class Candidate(msgspec.Struct, frozen=True):
    """A recipe that could be built, the source that it comes from and the fingerprint of its files."""

    recipe: Recipe
    source: str
    fingerprint: str


class Offering(NamedTuple):
    """Something that the output `pkgname` of the recipe `pkgbase` stands for besides its own name."""

    pkgname: str
    pkgbase: str
    provision: Provision


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalog:
    """Recipes of the enabled sources by pkgbase, what is published, what upstreams hold; indexed when first asked."""

    repository: str
    arch: str
    recipes: Mapping[str, Candidate]
    published: tuple[Published, ...] = ()
    upstream: tuple[Published, ...] = ()
    checks: bool = True
    built: Mapping[str, str] = field(default_factory=dict)
    """By pkgbase, the fingerprint that its published version was built from; a base that is missing counts as unchanged."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """By pkgbase, the sentence that says why its recipe cannot be read."""
    reviews: Mapping[str, int] = field(default_factory=dict)
    """By pkgbase, the review that a newer recipe waits for."""
    bumping: Bump = Bump.MINOR
    former: Mapping[str, Collection[str]] = field(default_factory=dict)
    """By pkgname, versions that were published and taken back: their file names are spent. Empty where nobody asks."""
    linked: tuple[Linked, ...] = ()
    """The published packages by their libraries; empty where nothing has to be rebuilt."""
    broken: Mapping[str, tuple[Loss, ...]] = field(default_factory=dict)
    """By pkgbase, the libraries that its published packages link to and that are there no more."""

    def builds_here(self, recipe: Recipe) -> bool:
        """Whether `recipe` can be built for this architecture at all."""
        return self._fits(recipe.arches)

    @cached_property
    def bearers(self) -> Mapping[str, tuple[str, ...]]:
        """By pkgname, the recipes that make a package of this name, alphabetically."""
        found: dict[str, list[str]] = {}
        for pkgbase, _, output in self._outputs():
            found.setdefault(output.name, []).append(pkgbase)
        return {name: tuple(sorted(pkgbases)) for name, pkgbases in found.items()}

    @cached_property
    def offerings(self) -> Mapping[str, tuple[Offering, ...]]:
        """By provided name, what recipes offer besides their packages' own names, alphabetically by pkgname."""
        found: dict[str, list[Offering]] = {}
        for pkgbase, recipe, output in self._outputs():
            # The first provision is the output's own name; `bearers` holds that.
            for provision in recipe.provisions(output, self.arch)[1:]:
                found.setdefault(provision.name, []).append(Offering(output.name, pkgbase, provision))
        return {name: tuple(sorted(offers, key=lambda it: it[:2])) for name, offers in found.items()}

    @cached_property
    def published_provisions(self) -> Mapping[str, tuple[tuple[Published, Provision], ...]]:
        """By name, what the repository's own packages stand for."""
        return _provisions(self.published)

    @cached_property
    def upstream_provisions(self) -> Mapping[str, tuple[tuple[Published, Provision], ...]]:
        """By name, what the upstreams' packages stand for."""
        return _provisions(self.upstream)

    @cached_property
    def versions_by_base(self) -> Mapping[str, tuple[str, ...]]:
        """By pkgbase, the versions of its published packages."""
        return _versions((package.base or package.name, package.version) for package in self.published)

    @cached_property
    def versions_by_name(self) -> Mapping[str, tuple[str, ...]]:
        """By pkgname, the versions published under it."""
        return _versions((package.name, package.version) for package in self.published)

    def links(self, bases: Collection[str]) -> Mapping[str, Mapping[str, str]]:
        """By pkgbase of `bases`, the others of `bases` that its published packages link to, and a soname of each."""
        return links(self.linked, bases)

    def _outputs(self) -> Iterable[tuple[str, Recipe, Output]]:
        for pkgbase, candidate in self.recipes.items():
            recipe = candidate.recipe
            if self._fits(recipe.arches):
                for output in recipe.outputs:
                    if self._fits(output.arches):
                        yield pkgbase, recipe, output

    def _fits(self, arches: tuple[str, ...]) -> bool:
        return self.arch in arches or "any" in arches


def _provisions(packages: Iterable[Published]) -> dict[str, tuple[tuple[Published, Provision], ...]]:
    found: dict[str, list[tuple[Published, Provision]]] = {}
    for package in packages:
        for provision in package.provisions():
            found.setdefault(provision.name, []).append((package, provision))
    return {name: tuple(entries) for name, entries in found.items()}


def _versions(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for name, version in pairs:
        found.setdefault(name, set()).add(version)
    return {name: tuple(sorted(versions)) for name, versions in found.items()}
