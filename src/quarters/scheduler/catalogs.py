"""Reads from rows all that a plan is made of."""

from typing import NamedTuple

from sqlalchemy import Connection

from quarters.model.recipe import SourcedRecipe
from quarters.model.repository import Repository
from quarters.planning.catalog import Candidate, Catalog
from quarters.storage import packages, recipes, upstreams


class Reading(NamedTuple):
    """A catalog, and the recipes in it with their origins, by pkgbase."""

    catalog: Catalog
    recipes: dict[str, SourcedRecipe]


def read(connection: Connection, repository: Repository, arch: str) -> Reading:
    """Everything that is known for `repository` and `arch`; of several sources with one pkgbase the first by name counts."""
    found: dict[str, SourcedRecipe] = {}
    for one in recipes.for_repository(connection, repository.name):
        found.setdefault(one.pkgbase, one)
    catalog = Catalog(
        repository=repository.name,
        arch=arch,
        recipes={
            name: Candidate(one.recipe, one.origin.source, one.origin.fingerprint)
            for name, one in found.items()
            if one.recipe is not None
        },
        published=tuple(packages.published(connection, repository.name, arch)),
        upstream=tuple(upstreams.packages(connection, repository, arch)),
        checks=repository.checks,
        built=packages.fingerprints(connection, repository.name, arch),
        unreadable={name: one.problem for name, one in found.items() if one.recipe is None},
    )
    return Reading(catalog, found)
