"""Whether a .SRCINFO was forgotten when its PKGBUILD changed."""

from collections.abc import Callable

from quarters.model.errors import Invalid
from quarters.model.recipe import Dependency, NeedKind, Recipe
from quarters.sources.pkgbuild import Literals


def disagreements(
    literals: Literals, recipe: Recipe, parse_dependency: Callable[[str], Dependency]
) -> list[str]:
    """The variables whose literal value in the PKGBUILD is not what the .SRCINFO, read as `recipe`, says.

    Only what is literal is compared, arrays as sets; in doubt the .SRCINFO is believed. Where a pkgver() function is to
    find the version, either of the two may have the newer pkgver, and a pkgrel beside another pkgver says nothing.
    """
    said = _said(recipe)
    differing = [
        name
        for name, values in literals.items()
        if name in said and _written(name, values, parse_dependency) != said[name]
    ]
    if recipe.dynamic_version and "pkgver" in differing:
        return [name for name in differing if name not in ("pkgver", "pkgrel")]
    return differing


def _said(recipe: Recipe) -> dict[str, set[str]]:
    epoch, _, rest = recipe.version.rpartition(":")
    pkgver, _, pkgrel = rest.rpartition("-")
    needs = {
        kind.value: {
            str(need.dependency)
            for need in recipe.needs
            if need.kind is kind and not need.output and not need.arch
        }
        for kind in NeedKind
    }
    return needs | {
        "pkgbase": {recipe.pkgbase},
        "pkgname": {output.name for output in recipe.outputs},
        "pkgver": {pkgver},
        "pkgrel": {pkgrel},
        "epoch": {epoch or "0"},
        "arch": set(recipe.arches),
    }


def _written(
    name: str, values: tuple[str, ...], parse_dependency: Callable[[str], Dependency]
) -> set[str] | None:
    if name == "epoch":
        return set(values) or {"0"}
    if name in set(NeedKind):
        try:
            return {str(parse_dependency(value)) for value in values}
        except Invalid:
            return None
    return set(values)
