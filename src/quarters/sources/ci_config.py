"""`.CI/config` in a recipe's folder: the settings of a Chaotic-AUR tree, KEY=value by line, read as they are meant there."""

import re

from quarters.model.errors import RecipeInvalid
from quarters.model.recipe import Configuration
from quarters.sources import values

PATH = ".CI/config"
_LINE = re.compile(
    r"""^[ \t]*([A-Za-z_]\w*)=(?:"([^"\n]*)"|'([^'\n]*)'|([^\s#]*))[ \t]*(?:#.*)?$""", re.MULTILINE
)
_TRUE = frozenset({"1", "true", "yes", "on"})
_HIGHEST = 10_000

Settings = dict[str, str]


def settings(text: str) -> Settings:
    """Every KEY=value, quotes taken off; of several for one key the last, as bash has it."""
    return {
        match[1]: next((it for it in match.groups()[1:] if it is not None), "")
        for match in _LINE.finditer(text)
    }


def edited(text: str, key: str, value: str) -> str:
    """The same file with `key` set to `value` ("" takes it out): comments, order and unknown keys stay."""
    line = f"{key}={value}" if value else ""
    found = [match for match in _LINE.finditer(text) if match[1] == key]
    if not found:
        return text if not value else f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n"
    last = found[-1]
    end = last.end() if value else min(last.end() + 1, len(text))
    return text[: last.start()] + line + text[end:]


def configuration(content: bytes) -> Configuration:
    """What the file says; unknown keys say nothing. RecipeInvalid, in a sentence, for a value that makes no sense."""
    found = settings(content.decode(errors="replace"))
    try:
        version, steps = values.bump(found.get("CI_PACKAGE_BUMP", ""))
        minor = values.expressions(found.get("CI_PKGBUILD_CHANGE_ALLOW_REGEX", "").split(";"))
    except ValueError as error:
        raise RecipeInvalid(f"{PATH}: {error}.") from None
    build_class, builder = class_of(found.get("BUILDER_CLASS", ""), f"{PATH}: BUILDER_CLASS")
    return Configuration(
        build_class=build_class,
        builder=builder,
        timeout_factor=_number(f"{PATH}: BUILDER_EXTRA_TIMEOUT", found.get("BUILDER_EXTRA_TIMEOUT", "")),
        bump_from=version,
        bump=steps,
        cache_sources=is_true(found, "BUILDER_CACHE_SOURCES"),
        keep_replaces=is_true(found, "BUILDER_ALLOW_PROHIBITED"),
        upstream=found.get("CI_PKGBUILD_SOURCE", ""),
        follow_vcs=is_true(found, "CI_FORCE_VCS"),
        nvchecker=is_true(found, "CI_NVCHECKER"),
        publish_to_aur=is_true(found, "CI_MANAGE_AUR"),
        rebuild_on=tuple(it for it in found.get("CI_REBUILD_TRIGGERS", "").split(":") if it),
        trigger=found.get("CI_ON_TRIGGER", ""),
        minor_changes=minor,
    )


def class_of(written: str, key: str) -> tuple[int, str]:
    """The class of builders, or the one builder, that `written` asks for; RecipeInvalid names `key`."""
    return (_number(key, written), "") if written.isdigit() or not written else (0, written)


def is_true(found: Settings, key: str) -> bool:
    """Whether a setting is switched on."""
    return found.get(key, "").lower() in _TRUE


def _number(key: str, written: str) -> int:
    if written and not (written.isdigit() and int(written) <= _HIGHEST):
        raise RecipeInvalid(f"{key}={written} is not a number up to {_HIGHEST}.")
    return int(written or 0)
