"""`quarters.toml` in a recipe's folder: how this one recipe is to be built."""

import tomllib
from difflib import get_close_matches
from typing import Any

import msgspec

from quarters.model.errors import RecipeInvalid
from quarters.model.recipe import SKIP_CODE, Configuration
from quarters.model.size import Size
from quarters.planning.order import PRIORITIES
from quarters.sources import values

NAME = "quarters.toml"
_NONE = Configuration()
_HIGHEST_CLASS = 10_000
_LONGEST = 30 * 86_400


class _Written(msgspec.Struct, kw_only=True, rename={"build_class": "class"}):
    """The file's keys."""

    build_class: int | str = 0
    memory: int | str = 0
    disk: int | str = 0
    priority: int = 0
    timeout: int = 0
    bump: str = ""
    cache_sources: bool = False
    keep_replaces: bool = True
    checks: bool | None = None
    ccache: bool = False
    debug: bool = False
    skip_code: int = SKIP_CODE
    upstream: str = ""
    follow_vcs: bool = False
    nvchecker: bool = False
    publish_to_aur: bool = False
    rebuild_on: tuple[str, ...] = ()
    trigger: str = ""
    minor_changes: tuple[str, ...] = ()


_AS_THEY_ARE = frozenset(
    {
        "priority",
        "timeout",
        "cache_sources",
        "keep_replaces",
        "checks",
        "ccache",
        "debug",
        "skip_code",
        "upstream",
        "follow_vcs",
        "nvchecker",
        "publish_to_aur",
        "rebuild_on",
        "trigger",
    }
)
_KEYS = tuple(field.encode_name for field in msgspec.structs.fields(_Written))


def configuration(content: bytes, beside: Configuration = _NONE) -> Configuration:
    """What the file says, on top of what `beside` does; RecipeInvalid, in a sentence, where that makes no sense."""
    try:
        table = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeInvalid(f"{NAME} is not valid TOML: {error}.") from None
    for key in table:
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, n=1)
            raise RecipeInvalid(
                f"{NAME}: {key} is not a setting of a recipe; "
                + (f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(_KEYS))}.")
            )
    written = _converted(table)
    given: dict[str, object] = {key: getattr(written, key) for key in table.keys() & _AS_THEY_ARE}
    if "class" in table:
        by_name = isinstance(written.build_class, str)
        given["build_class"], given["builder"] = (
            (0, written.build_class) if by_name else (written.build_class, "")
        )
    given |= {key: _size(key, getattr(written, key)) for key in table.keys() & {"memory", "disk"}}
    try:
        if "bump" in table:
            given["bump_from"], given["bump"] = values.bump(written.bump)
        if "minor_changes" in table:
            given["minor_changes"] = values.expressions(written.minor_changes)
    except ValueError as error:
        raise RecipeInvalid(f"{NAME}: {error}.") from None
    return msgspec.structs.replace(beside, **given)


def _converted(table: dict[str, Any]) -> _Written:
    try:
        written = msgspec.convert(table, _Written)
    except msgspec.ValidationError as error:
        raise RecipeInvalid(f"{NAME}: {_sentence(error)}.") from None
    if isinstance(written.build_class, int) and not 0 <= written.build_class <= _HIGHEST_CLASS:
        raise RecipeInvalid(f"{NAME}: class is a number from 0 to {_HIGHEST_CLASS}, or a builder's name.")
    if isinstance(written.build_class, str) and not 0 < len(written.build_class) <= 63:
        raise RecipeInvalid(f"{NAME}: class is a number, or a builder's name of at most 63 letters.")
    if written.priority not in PRIORITIES:
        raise RecipeInvalid(f"{NAME}: priority is from {PRIORITIES[0]} to {PRIORITIES[-1]}.")
    if not 0 < written.skip_code < 256:
        raise RecipeInvalid(f"{NAME}: skip_code is an exit code from 1 to 255.")
    if not 0 <= written.timeout <= _LONGEST:
        raise RecipeInvalid(f"{NAME}: timeout is a number of seconds up to {_LONGEST}.")
    return written


def _sentence(error: msgspec.ValidationError) -> str:
    words, _, place = str(error).partition(" - at `$.")
    return f"{place.rstrip('`')}: {words.replace('`', '').replace('Expected', 'expected', 1)}"


def _size(key: str, written: int | str) -> int:
    try:
        return int(Size.of(written))
    except ValueError as error:
        raise RecipeInvalid(f"{NAME}: {key}: {error}.") from None
