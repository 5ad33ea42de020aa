"""Reads from rows all that a plan is made of."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from quarters.formats.format import Format
from quarters.model.library import Library
from quarters.model.recipe import SourcedRecipe
from quarters.model.repository import Published, Repository
from quarters.planning.catalog import Candidate, Catalog
from quarters.planning.rebuilds import Linked, Loss, broken, losses, overlaid
from quarters.storage import libraries, packages, recipes, reviews, upstreams


class Reading(NamedTuple):
    """A catalog, and the recipes in it with their origins, by pkgbase."""

    catalog: Catalog
    recipes: dict[str, SourcedRecipe]


class View(NamedTuple):
    """What a plan looks at beside recipes and packages."""

    staging: tuple[str, ...] = ()
    """Repositories of what a rebuild has built so far, the first before the others and before what is published."""
    linked: bool = False
    """Whether libraries matter, even if none was taken away."""
    former: bool = False
    """Whether something may be built again that was taken back; what is built by itself stays away from that."""


PLAIN = View()
ASKED = View(former=True)
"""For what people ask for."""


def read(
    connection: Connection, repository: Repository, arch: str, format: Format, view: View = PLAIN
) -> Reading:
    """Everything that is known for `repository` and `arch`; of several sources with one pkgbase the first by name counts."""
    found: dict[str, SourcedRecipe] = {}
    for one in recipes.for_repository(connection, repository.name):
        found.setdefault(one.pkgbase, one)
    upstream = tuple(upstreams.packages(connection, repository, arch))
    there = _libraries(connection, repository.name, arch, view)
    catalog = Catalog(
        repository=repository.name,
        arch=arch,
        recipes={
            name: Candidate(one.recipe, one.origin.source, one.origin.fingerprint)
            for name, one in found.items()
            if one.recipe is not None
        },
        published=_published(connection, repository.name, arch, view),
        upstream=upstream,
        checks=repository.checks,
        built=_built(connection, repository.name, arch, view),
        reviews=reviews.of_repository(connection, repository.name),
        bumping=repository.bump,
        former=packages.former(connection, repository.name, arch) if view.former else {},
        linked=there.linked,
        broken=broken(there.linked, there.lost, provided(upstream, format)) if there.lost else {},
        unreadable={name: one.problem for name, one in found.items() if one.recipe is None},
    )
    return Reading(catalog, found)


def provided(upstream: Iterable[Published], format: Format) -> Callable[[Library], bool]:
    """Whether an upstream's package offers a library; it says so itself, its files are not known."""
    offered = {provision for package in upstream for provision in package.provides}
    return lambda library: format.library_provision(library) in offered


class _Libraries(NamedTuple):
    """Packages by their libraries, and the libraries that are there no more; both empty where that does not matter."""

    linked: tuple[Linked, ...] = ()
    lost: tuple[Loss, ...] = ()


def _libraries(connection: Connection, repository: str, arch: str, view: View) -> _Libraries:
    lost = libraries.lost(connection, repository, arch)
    if not (lost or view.linked or view.staging):
        return _Libraries()
    published = libraries.linked(connection, repository, arch)
    if not view.staging:
        return _Libraries(tuple(published), tuple(lost))
    staged = [libraries.linked(connection, name, arch) for name in reversed(view.staging)]
    together = overlaid(published, *staged)
    return _Libraries(tuple(together), (*lost, *losses(published, together)))


def _published(connection: Connection, repository: str, arch: str, view: View) -> tuple[Published, ...]:
    found: dict[str, Published] = {}
    for name in (repository, *reversed(view.staging)):
        found.update((it.name, it) for it in packages.published(connection, name, arch))
    return tuple(found[name] for name in sorted(found))


def _built(connection: Connection, repository: str, arch: str, view: View) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (repository, *reversed(view.staging)):
        found |= packages.fingerprints(connection, name, arch)
    return found
