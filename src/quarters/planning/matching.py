"""Who can satisfy a dependency: recipes, the repository's own packages, an upstream's; each question is answered once."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from quarters.formats.format import Format
from quarters.model.recipe import Dependency, Provision
from quarters.model.repository import Published
from quarters.planning.catalog import Catalog


class How(StrEnum):
    """By what a recipe satisfies a dependency."""

    NAME = "name"
    PROVIDES = "provides"
    SONAME = "soname"
    """It provides a library whose version only the build will tell."""
    LINK = "link"
    """The published package links to a library of it, whatever the recipe says."""


class Match(NamedTuple):
    """A recipe that satisfies a dependency."""

    pkgbase: str
    how: How


class Matcher:
    """Answers from one catalog, remembered by dependency: thousands of recipes ask for the same few libraries."""

    def __init__(self, catalog: Catalog, format: Format) -> None:
        self._catalog = catalog
        self._format = format
        self._recipes: dict[Dependency, tuple[Match, ...]] = {}
        self._available: dict[Dependency, Published | None] = {}

    def recipes(self, dependency: Dependency) -> tuple[Match, ...]:
        """Every recipe whose declared version or provisions satisfy `dependency`: bearers of the name, then by pkgname."""
        if dependency not in self._recipes:
            # One recipe may offer the same through several of its outputs.
            self._recipes[dependency] = tuple(
                dict.fromkeys((*self._bearing(dependency), *self._offering(dependency)))
            )
        return self._recipes[dependency]

    def available(self, dependency: Dependency) -> Published | None:
        """The package that satisfies `dependency` as things are: one of that name, else one that provides it.

        The repository's own come before the upstreams'.
        """
        if dependency not in self._available:
            catalog = self._catalog
            packages = [
                *self._among(catalog.published_provisions, dependency),
                *self._among(catalog.upstream_provisions, dependency),
            ]
            named = (package for package in packages if package.name == dependency.name)
            self._available[dependency] = next(named, packages[0] if packages else None)
        return self._available[dependency]

    def named(self, dependency: Dependency) -> bool:
        """Whether a package of this very name is available: pacman takes it, whatever else provides the name."""
        package = self.available(dependency)
        return package is not None and package.name == dependency.name

    def _bearing(self, dependency: Dependency) -> list[Match]:
        return [
            Match(pkgbase, How.NAME)
            for pkgbase in self._catalog.bearers.get(dependency.name, ())
            if self._format.satisfies(
                Provision(dependency.name, self._catalog.recipes[pkgbase].recipe.version), dependency
            )
        ]

    def _offering(self, dependency: Dependency) -> list[Match]:
        found = []
        for _, pkgbase, provision in self._catalog.offerings.get(dependency.name, ()):
            if self._format.satisfies(provision, dependency):
                found.append(Match(pkgbase, How.PROVIDES))
            elif not provision.version and provision.name.endswith(".so"):
                # makepkg completes `provides=(libhq.so)` to `libhq.so=3-64` from the library that was built, so a recipe
                # that names a soname without a version may meet any versioned need of it. A published package's
                # provides are complete, and taken as they are.
                found.append(Match(pkgbase, How.SONAME))
        return found

    def _among(
        self, provisions: Mapping[str, tuple[tuple[Published, Provision], ...]], dependency: Dependency
    ) -> list[Published]:
        return [
            package
            for package, provision in provisions.get(dependency.name, ())
            if self._format.satisfies(provision, dependency)
        ]
