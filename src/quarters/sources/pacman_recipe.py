"""A pacman recipe's folder read into a Recipe: its .SRCINFO where that is current, else the evaluated PKGBUILD."""

import msgspec

from quarters.formats.format import Format
from quarters.model.errors import RecipeInvalid
from quarters.model.recipe import Configuration, Recipe
from quarters.sources import ci_config, configuration
from quarters.sources.folder import Folder, Wanted
from quarters.sources.pkgbuild import has_pkgver_function, literals
from quarters.sources.staleness import disagreements

FORMAT = "pacman"
WANTED = Wanted(marker="PKGBUILD", others=(".SRCINFO", configuration.NAME, ci_config.PATH))


def committed(folder: Folder, format_: Format) -> Recipe | None:
    """What the committed .SRCINFO says; None where it is missing, malformed or stale, and the PKGBUILD must tell.

    RecipeInvalid if the folder's files cannot be read at all.
    """
    if folder.problem:
        raise RecipeInvalid(folder.problem)
    pkgbuild, srcinfo = _pkgbuild(folder), folder.files.get(".SRCINFO")
    if srcinfo is None:
        return None
    try:
        recipe = format_.parse_recipe(srcinfo.decode())
    except (RecipeInvalid, UnicodeDecodeError):
        return None
    recipe = _with_dynamic_version(recipe, pkgbuild)
    if disagreements(literals(pkgbuild), recipe, format_.parse_dependency):
        return None
    return _with_configuration(recipe, folder)


def evaluated(folder: Folder, srcinfo: str, format_: Format) -> Recipe:
    """What makepkg printed about the PKGBUILD; RecipeInvalid if that is no metadata."""
    try:
        recipe = _with_dynamic_version(format_.parse_recipe(srcinfo), _pkgbuild(folder))
    except RecipeInvalid as error:
        message = str(error).replace("of the .SRCINFO", "of what makepkg prints")
        raise RecipeInvalid(message.replace("The .SRCINFO", "What makepkg prints")) from None
    return _with_configuration(recipe, folder)


def _pkgbuild(folder: Folder) -> str:
    return folder.files[WANTED.marker].decode(errors="replace")


def _with_dynamic_version(recipe: Recipe, pkgbuild: str) -> Recipe:
    return msgspec.structs.replace(recipe, dynamic_version=has_pkgver_function(pkgbuild))


def _with_configuration(recipe: Recipe, folder: Folder) -> Recipe:
    return msgspec.structs.replace(recipe, configuration=configured(folder))


def configured(folder: Folder) -> Configuration:
    """What a recipe's folder says about building it; RecipeInvalid if that makes no sense."""
    chaotic, native = folder.files.get(ci_config.PATH), folder.files.get(configuration.NAME)
    said = Configuration() if chaotic is None else ci_config.configuration(chaotic)
    return said if native is None else configuration.configuration(native, said)
