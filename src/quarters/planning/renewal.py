"""Which recipes are built again because a package elsewhere, or what they follow, has another version."""

from collections.abc import Collection, Iterable, Mapping

from quarters.model.build import Cause
from quarters.model.recipe import Recipe
from quarters.model.updates import UpdateState
from quarters.planning.catalog import Catalog
from quarters.planning.outdated import Wanted


def renewals(
    triggers: Mapping[str, Collection[str]], seen: Mapping[str, str], now: Mapping[str, str]
) -> dict[str, str]:
    """By recipe, why it is to be built: a package that it names has another version than when it was last `seen`.

    What was never seen, or is not there now (a database that could not be read, say), gives no reason to.
    """
    changed = {name: version for name, version in now.items() if seen.get(name, version) != version}
    found = {}
    for recipe, names in triggers.items():
        reasons = [f"{name} went from {seen[name]} to {changed[name]}" for name in names if name in changed]
        if reasons:
            found[recipe] = ", ".join(reasons)
    return found


def wanted(
    wishes: Iterable[UpdateState], pkgbases: Mapping[str, str], source: str, catalog: Catalog
) -> list[Wanted]:
    """What `wishes`, by folder, want of the recipes of `source`; `pkgbases` says which folder holds which.

    Where only a build tells the version, it tells whether there is something new; else it is built again in any case
    when its sources or a package that it names changed.
    """
    found = []
    for wish in wishes:
        pkgbase = pkgbases.get(wish.path, "")
        candidate = catalog.recipes.get(pkgbase)
        if wish.cause is None or candidate is None or candidate.source != source:
            continue
        if catalog.builds_here(candidate.recipe):
            found.append(Wanted(pkgbase, wish.cause, force=_whatever_happens(wish, candidate.recipe)))
    return found


def _whatever_happens(wish: UpdateState, recipe: Recipe) -> bool:
    moved = wish.cause is Cause.SCHEDULE and not wish.detail.startswith("trigger ")
    return moved and not recipe.dynamic_version
