"""Which recipes want building, and why."""

from bisect import bisect_left, bisect_right
from functools import cmp_to_key

import msgspec

from quarters.formats.format import Format
from quarters.model.build import Bump, Cause
from quarters.model.recipe import Recipe
from quarters.planning.catalog import Candidate, Catalog

_BUMPS = range(1_000_000)


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """Something that is to be built: a pkgbase or pkgname; `force` builds it again even if it is up to date.

    Without `bump` it then bears the recipe's own version.
    """

    name: str
    cause: Cause = Cause.REQUESTED
    force: bool = False
    bump: bool = True


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
    declared = declared_bump(candidate.recipe, format)
    version = format.bumped(candidate.recipe.version, declared, catalog.bumping)
    published = published_version(pkgbase, catalog, format)
    if published is None:
        return Standing(Cause.NEW, next_bump(pkgbase, catalog, format), f"{version} was never published")
    order = format.compare(version, published)
    if order > 0:
        detail = f"{version} is newer than the published {published}"
        # What a pkgver() function said will not be said again: that was older.
        bump = declared if candidate.recipe.dynamic_version else next_bump(pkgbase, catalog, format)
        return Standing(Cause.NEW_VERSION, bump, detail)
    if catalog.built.get(pkgbase, candidate.fingerprint) == candidate.fingerprint:
        lost = catalog.broken.get(pkgbase)
        if lost and catalog.bumping is not Bump.NONE:
            detail = f"{published} {lost[0].told()}"
            return Standing(Cause.REBUILD, raised(pkgbase, catalog, format), detail)
        # The published version may well be higher: a bump, or what the recipe's pkgver() function said.
        return Standing(None, declared, f"{published} is up to date")
    if catalog.bumping is Bump.NONE and order <= 0 and not candidate.recipe.dynamic_version:
        detail = f"{published} is published, and its recipe changed without a new version"
        return Standing(None, 0, detail)
    return _changed(candidate, published, order, next_bump(pkgbase, catalog, format), declared)


def declared_bump(recipe: Recipe, format: Format) -> int:
    """The bump that the recipe's configuration asks for; none any more when its version is another one."""
    wanted = recipe.configuration
    return wanted.bump if wanted.bump and format.compare(wanted.bump_from, recipe.version) == 0 else 0


def raised(pkgbase: str, catalog: Catalog, format: Format) -> int:
    """The bump that files need to differ from those published, by the repository's policy."""
    if catalog.bumping is Bump.NONE:
        return declared_bump(catalog.recipes[pkgbase].recipe, format)
    # A higher version than the recipe's came out of its pkgver(), and will again: only a bump tells the files apart.
    return next_bump(pkgbase, catalog, format) or 1


def _changed(candidate: Candidate, published: str, order: int, bump: int, declared: int) -> Standing:
    detail = f"the recipe changed since {published} was published"
    if candidate.recipe.dynamic_version:
        # Its version comes out of the build, so a number chosen now would say nothing but what the recipe itself does.
        return Standing(Cause.RECIPE_CHANGED, declared, detail)
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
    """The bump with which the recipe's version gives a file that is not published yet, at least what it asks for itself."""
    recipe = catalog.recipes[pkgbase].recipe
    # By name too: a package may have moved here from another pkgbase, and its file name holds no pkgbase.
    versions = set(catalog.versions_by_base.get(pkgbase, ()))
    for output in recipe.outputs:
        versions.update(catalog.versions_by_name.get(output.name, ()), catalog.former.get(output.name, ()))
    bumps = []
    for published in versions:
        # What a pkgver() function said last time it may well say again; the release still is the recipe's.
        version = format.rereleased(published, recipe.version) if recipe.dynamic_version else recipe.version
        bumps.append(_bump_above(published, version, catalog.bumping, format))
    return max([declared_bump(recipe, format), *(bump for bump in bumps if bump is not None)])


def _bump_above(published: str, version: str, bumping: Bump, format: Format) -> int | None:
    """The lowest bump that makes more than `published` of `version`, if a bump of either kind makes that."""
    if all(_bump_to(published, version, kind, format) is None for kind in (Bump.MINOR, Bump.WHOLE)):
        return None
    bump = bisect_right(_BUMPS, 0, key=lambda it: _against(published, version, it, bumping, format))
    return bump if bump < len(_BUMPS) else None


def _bump_to(published: str, version: str, bumping: Bump, format: Format) -> int | None:
    """The bump that makes `published` of `version`, if one does; bumped versions rise with the number."""
    bump = bisect_left(_BUMPS, 0, key=lambda it: _against(published, version, it, bumping, format))
    return bump if bump < len(_BUMPS) and _against(published, version, bump, bumping, format) == 0 else None


def _against(published: str, version: str, bump: int, bumping: Bump, format: Format) -> int:
    return format.compare(format.bumped(version, bump, bumping), published)
