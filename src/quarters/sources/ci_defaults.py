"""`.ci/config` at the top of a tree: what Chaotic-AUR's trees say about all of their recipes."""

import msgspec
from msgspec.structs import replace

from quarters.model.errors import RecipeInvalid
from quarters.model.recipe import SKIP_CODE, Recipe
from quarters.sources import ci_config

PATH = ".ci/config"


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every recipe of a tree that says nothing else itself."""

    build_class: int = 0
    builder: str = ""
    skip_code: int = SKIP_CODE

    def applied(self, recipe: Recipe) -> Recipe:
        """`recipe` with what it leaves to its tree."""
        wanted = recipe.configuration
        if not (wanted.build_class or wanted.builder):
            wanted = replace(wanted, build_class=self.build_class, builder=self.builder)
        if wanted.skip_code == SKIP_CODE:
            wanted = replace(wanted, skip_code=self.skip_code)
        return replace(recipe, configuration=wanted)


def defaults(content: bytes) -> Defaults:
    """What the file says about builds; RecipeInvalid, in a sentence, for an exit code that is none."""
    found = ci_config.settings(content.decode(errors="replace"))
    class_, code = found.get("CI_DEFAULT_CLASS", ""), found.get("CI_CODE_SKIP", "") or str(SKIP_CODE)
    if not (code.isascii() and code.isdigit() and 0 < int(code) < 256):
        raise RecipeInvalid(f"{PATH}: CI_CODE_SKIP={code} is not an exit code from 1 to 255.")
    build_class, builder = ci_config.class_of(class_, f"{PATH}: CI_DEFAULT_CLASS")
    return Defaults(build_class=build_class, builder=builder, skip_code=int(code))
