"""What is published already of a build whose recipe works its version out by itself."""

from sqlalchemy import Connection

from quarters.model.build import Build
from quarters.model.recipe import Recipe
from quarters.storage import packages
from quarters.storage.packages import Listed


def version(connection: Connection, build: Build, recipe: Recipe) -> str:
    """The version that all packages of `recipe` bear in the build's repository, "" where there is none."""
    if not recipe.dynamic_version:
        return ""
    listed, names = _listed(connection, build, recipe)
    versions = {it.file.version for it in listed}
    whole = {it.file.name for it in listed} == names and len(versions) == 1
    return versions.pop() if whole else ""


def digests(connection: Connection, build: Build, recipe: Recipe, version: str) -> set[str]:
    """Those of the published packages, where all that `recipe` makes bear `version`; else none."""
    if not recipe.dynamic_version:
        return set()
    listed, names = _listed(connection, build, recipe)
    same = {it.file.name: it.file.sha256 for it in listed if it.file.version == version}
    return set(same.values()) if same.keys() == names else set()


def _listed(connection: Connection, build: Build, recipe: Recipe) -> tuple[list[Listed], set[str]]:
    names = set(recipe.made_for(build.arch))
    listed = packages.standing(connection, build.repository, names)
    return [it for it in listed if it.arch == build.arch], names
