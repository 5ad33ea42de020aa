"""Recipes whose hooks have them make packages of other names, so that they have to be read as the hooks leave them."""

import re
from collections.abc import Mapping

from quarters.model.recipe import Recipe
from quarters.sources.mirror import Mirror

FOLDERS = (".quarters", ".CI")
"""Where hooks lie: the first of these folders that has one of a name gives it."""
_HOOKS = ("prepare", "interfere.patch", "PKGBUILD.prepend", "PKGBUILD.append")
_ASSIGNED = re.compile(rb"(?<![\w${])pkg(?:name|base)\+?=")


async def renamed(mirror: Mirror, revision: str, recipes: Mapping[str, Recipe]) -> list[str]:
    """Those of `recipes`, by folder, whose hooks set a name, or might be why a folder is not called as its recipe is."""
    places = [(path, f"{folder}/{hook}") for path in recipes for folder in FOLDERS for hook in _HOOKS]
    contents = await mirror.git.objects([f"{revision}:{path}/{place}" for path, place in places])
    found = {
        path: None
        for (path, _), content in zip(places, contents, strict=True)
        if content is not None and (recipes[path].pkgbase != path or _ASSIGNED.search(content))
    }
    return list(found)
