"""A recipe's bump written into its folder, beside everything else that is written there."""

import re

from quarters.formats.format import Format
from quarters.model.recipe import Recipe
from quarters.sources import ci_config, configuration
from quarters.sources.git import Git
from quarters.sources.updates import trees

_KEY = "CI_PACKAGE_BUMP"
_LINE = re.compile(r"^[ \t]*bump[ \t]*=.*$", re.MULTILINE)


async def bumped(git: Git, folder: str, recipe: Recipe, format_: Format) -> tuple[str, str]:
    """The folder's tree with one bump more, and what it says then: `VERSION/STEPS`.

    It goes where the folder's bump is written already, else into the configuration that the folder has, Quarters' own
    before Chaotic-AUR's.
    """
    said = recipe.configuration
    holds = bool(said.bump_from) and format_.compare(said.bump_from, recipe.version) == 0
    to = f"{recipe.version}/{said.bump + 1 if holds else 1}"
    native, chaotic = [await trees.text(git, folder, name) for name in (configuration.NAME, ci_config.PATH)]
    ours = native is not None and (_LINE.search(native) is not None or chaotic is None)
    if ours or chaotic is None:
        content = _with_bump(native or "", to).encode()
        return await trees.with_file(git, folder, configuration.NAME, content), to
    return await _with_config(git, folder, ci_config.edited(chaotic, _KEY, to).encode()), to


def _with_bump(text: str, to: str) -> str:
    line = f'bump = "{to}"'
    if _LINE.search(text):
        return _LINE.sub(lambda _: line, text, count=1)
    gap = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{gap}{line}\n"


async def _with_config(git: Git, folder: str, content: bytes) -> str:
    place, _, name = ci_config.PATH.partition("/")
    held = await trees.entries(git, folder)
    below = await trees.with_file(git, held[place].split()[2], name, content)
    return await trees.made(git, held | {place: f"040000 tree {below}"})
