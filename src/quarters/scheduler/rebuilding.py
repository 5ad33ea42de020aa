"""What is to be built again: the wishes of people, of policies, and of rebuilds that are not complete yet."""

from collections.abc import Callable, Iterable, Mapping

from quarters.formats.format import Format
from quarters.model.build import Cause
from quarters.model.errors import Invalid
from quarters.model.library import Library
from quarters.planning.catalog import Catalog
from quarters.planning.outdated import Wanted
from quarters.planning.rebuilds import linking
from quarters.protocol.rebuilds import RebuildRequest, Suggestion
from quarters.scheduler.proposals import Wish

TRIES = 2
"""How often a rebuild builds something for the sake of one library: in a circle, the first was built with the old one."""


def wish(request: RebuildRequest) -> Wish:
    """What a person asks for; Invalid if that is nothing."""
    if not (request.packages or request.depends_on or request.suggested or request.everything):
        raise Invalid(
            "Name packages to build again, or ask for what depends on a library, or for everything."
        )
    return lambda catalog, format: [
        Wanted(name, Cause.REBUILD, True, request.bump) for name in _names(request, catalog, format)
    ]


def left_over(tried: Callable[[str, str, Catalog], bool]) -> Wish:
    """What links to a library that is there no more, unless `tried` (pkgbase, soname) says that it was built again."""

    def wish(catalog: Catalog, _format: Format) -> list[Wanted]:
        return [
            Wanted(base, Cause.REBUILD, True)
            for base, lost in catalog.broken.items()
            if base in catalog.recipes and any(not tried(base, loss.library.soname, catalog) for loss in lost)
        ]

    return wish


def suggestions(catalog: Catalog) -> list[Suggestion]:
    """One for each pkgbase and library."""
    return [
        Suggestion(
            repository=catalog.repository,
            arch=catalog.arch,
            pkgbase=base,
            library=loss.library.soname,
            successor=loss.successor,
            message=f"{base} {loss.told()}.",
            recipe=base in catalog.recipes,
        )
        for base, lost in sorted(catalog.broken.items())
        for loss in lost
    ]


def by_tries(count: Mapping[tuple[str, str], int]) -> Callable[[str, str, Catalog], bool]:
    """Whether a rebuild has built something often enough for the sake of a library."""
    return lambda base, soname, _catalog: count.get((base, soname), 0) >= TRIES


def by_history(tried: Iterable[tuple[str, str, str]]) -> Callable[[str, str, Catalog], bool]:
    """Whether this very recipe was built again for the sake of a library since that was lost."""
    known = frozenset(tried)
    return lambda base, soname, catalog: (base, soname, catalog.recipes[base].fingerprint) in known


def _names(request: RebuildRequest, catalog: Catalog, format: Format) -> list[str]:
    found = dict.fromkeys(request.packages)
    for text in request.depends_on:
        found |= dict.fromkeys(_dependents(text, catalog, format))
    if request.suggested:
        found |= dict.fromkeys(catalog.broken)
    if request.everything:
        found |= dict.fromkeys(catalog.versions_by_base)
    named = set(request.packages)
    return [name for name in found if name in named or name in catalog.recipes]


def _dependents(text: str, catalog: Catalog, format: Format) -> list[str]:
    """The bases that link to a library, given as a package or a soname."""
    own = {
        it.stem
        for package in catalog.linked
        if text in (package.name, package.base)
        for it in package.provided
    }
    dependency = format.parse_dependency(text)

    def wanted(library: Library) -> bool:
        if own:
            return library.stem in own
        exact = text in (library.soname, library.stem)
        return exact or format.satisfies(format.library_provision(library), dependency)

    return [base for base in linking(catalog.linked, wanted) if not _provides(base, own, catalog)]


def _provides(base: str, stems: Iterable[str], catalog: Catalog) -> bool:
    mine = {it.stem for package in catalog.linked if package.base == base for it in package.provided}
    return not mine.isdisjoint(stems)
