"""Values that mean the same in both forms of a recipe's configuration; ValueError, in words, for what means nothing."""

import re
from collections.abc import Iterable

# `[epoch:]pkgver-pkgrel`, and how many steps beyond it, one where that is left out.
_BUMP = re.compile(r"([^\s/]+-[^\s/-]+)(?:/(\d{1,4}))?")


def bump(written: str) -> tuple[str, int]:
    """The version that is bumped, and by how many steps; ("", 0) for nothing."""
    match = _BUMP.fullmatch(written)
    if match is None:
        if written:
            raise ValueError(f"{written} is not a version with pkgrel, such as 1.2-1/3")
        return "", 0
    return match[1], int(match[2] or 1)


def expressions(written: Iterable[str]) -> tuple[str, ...]:
    """Regular expressions that can be used."""
    found = tuple(each for each in written if each)
    for each in found:
        try:
            re.compile(each)
        except re.error as error:
            raise ValueError(f"{each!r} is not a regular expression: {error}") from None
    return found
