"""Which recipes want building, and why."""

from bisect import bisect_left
from functools import cmp_to_key

import msgspec

from quarters.formats.format import Format
from quarters.model.build import Cause
from quarters.planning.catalog import Candidate, Catalog

_BUMPS = range(1_000_000)


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """Something that is to be built: a pkgbase or pkgname; `force` builds it again even if it is up to date."""

    name: str
    cause: Cause = Cause.REQUESTED
    force: bool = False


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How a recipe stands to what is published: no cause means up to date; `detail` says it in words."""

    cause: Cause | None
    bump: int
    detail: str


def outdated(catalog: Catalog, format: Format) -> list[Wanted]:
    """Every recipe for this architecture whose published packages are not what it would make now, by name."""
    found = []
    for pkgbase, candidate in sorted(catalog.recipes.items()):
        if catalog.builds_here(candidate.recipe):
            cause = standing(pkgbase, catalog, format).cause
            if cause is not None:
                found.append(Wanted(pkgbase, cause))
    return found


def standing(pkgbase: str, catalog: Catalog, format: Format) -> Standing:
    """Compare the recipe `pkgbase` with what is published of it; by the format's own order, never as strings."""
    candidate = catalog.recipes[pkgbase]
    version = candidate.recipe.version
    published = published_version(pkgbase, catalog, format)
    if published is None:
        return Standing(Cause.NEW, next_bump(pkgbase, catalog, format), f"{version} was never published")
    order = format.compare(version, published)
    if order > 0:
        return Standing(Cause.NEW_VERSION, 0, f"{version} is newer than the published {published}")
    if catalog.built.get(pkgbase, candidate.fingerprint) == candidate.fingerprint:
        # The published version may well be higher: a bump, or what the recipe's pkgver() function said.
        return Standing(None, 0, f"{published} is up to date")
    return _changed(candidate, published, order, next_bump(pkgbase, catalog, format))


def _changed(candidate: Candidate, published: str, order: int, bump: int) -> Standing:
    detail = f"the recipe changed since {published} was published"
    if candidate.recipe.dynamic_version:
        # Its version comes out of the build, so a number chosen now would say nothing.
        return Standing(Cause.RECIPE_CHANGED, 0, detail)
    if order < 0 and bump == 0:
        detail = f"{detail}, and went back to {candidate.recipe.version}"
    return Standing(Cause.RECIPE_CHANGED, bump, detail)


def published_version(pkgbase: str, catalog: Catalog, format: Format) -> str | None:
    """The highest version published of `pkgbase`: an output that its recipe no longer makes may linger at an older one."""
    versions = catalog.versions_by_base.get(pkgbase, ())
    if len(versions) < 2:
        return versions[0] if versions else None
    return max(versions, key=cmp_to_key(format.compare))


def next_bump(pkgbase: str, catalog: Catalog, format: Format) -> int:
    """The bump with which the recipe's version gives a file that is not published yet; 0 if the version itself is not."""
    recipe = catalog.recipes[pkgbase].recipe
    # By name too: a package may have moved here from another pkgbase, and its file name holds no pkgbase.
    versions = set(catalog.versions_by_base.get(pkgbase, ()))
    for output in recipe.outputs:
        versions.update(catalog.versions_by_name.get(output.name, ()))
    bumps = (_bump_of(published, recipe.version, format) for published in versions)
    return max((bump + 1 for bump in bumps if bump is not None), default=0)


def _bump_of(published: str, version: str, format: Format) -> int | None:
    """The bump that makes `published` of `version`, if one does; bumped versions rise with the number."""

    def against(bump: int) -> int:
        return format.compare(format.bumped(version, bump), published)

    bump = bisect_left(_BUMPS, 0, key=against)
    return bump if bump < len(_BUMPS) and against(bump) == 0 else None
