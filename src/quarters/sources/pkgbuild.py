"""What can be read off a PKGBUILD without running it: assignments of literals, and nothing that is in any doubt."""

import re

_PKGVER = re.compile(r"^[ \t]*(?:function[ \t]+pkgver\b|pkgver[ \t]*\(\))", re.MULTILINE)
_FUNCTION = re.compile(r"(?:function[ \t]+[\w@.+-]+|[\w@.+-]+[ \t]*\(\))")
# Code in the first column that could set any variable.
_CODE = re.compile(
    r"(?:^|[;&|])[ \t]*(?:eval|source|\.|unset|read|mapfile|printf[ \t]+-v)[ \t]", re.MULTILINE
)
_NAMES = "pkgbase|pkgname|pkgver|pkgrel|epoch|arch|depends|makedepends|checkdepends"
_ASSIGNED = re.compile(rf"(?<![\w${{#!?&/%-])({_NAMES})(?:\[[^]\n]*\])?\+?=")
# All of these take time in proportion to the text, whatever it is: the text is a stranger's.
_WORD = r"""(?:'[^'\n]*'|"[^"$`\\\n]*"|[\w.+:@%^,/=-]+)"""
_VALUE = re.compile(rf"({_WORD})?[ \t]*(?:[ \t]#.*)?$", re.MULTILINE)
_GAP = r"(?:\s|(?<=\s)#[^\n]*\n)*"
_ARRAY = re.compile(rf"\({_GAP}(?:{_WORD}(?:\s{_GAP}|(?=\))))*\)[ \t]*(?:[ \t]#.*)?$", re.MULTILINE)
_ITEM = re.compile(rf"#[^\n]*\n|({_WORD})")

Literals = dict[str, tuple[str, ...]]


def has_pkgver_function(text: str) -> bool:
    """Whether the recipe works its version out while it is built."""
    return _PKGVER.search(text) is not None


def literals(text: str) -> Literals:
    """The variables of interest that this text sets once, in the first column, to nothing but literals.

    A variable is left out when it is assigned again or added to anywhere outside of functions, or when bash would
    expand any part of its value; all of them are when the text runs code that could set anything. A plain value is an
    array of one, an empty one an array of none.
    """
    top = _outside_of_functions(text)
    if _CODE.search(top):
        return {}
    found: Literals = {}
    doubtful: set[str] = set()
    for match in _ASSIGNED.finditer(top):
        values = _values(top, match)
        if values is None or match[1] in found:
            doubtful.add(match[1])
        else:
            found[match[1]] = values
    return {name: values for name, values in found.items() if name not in doubtful}


def _outside_of_functions(text: str) -> str:
    """The lines that are no comments and not in a function, which ends at the next brace in the first column."""
    kept: list[str] = []
    inside = False
    for line in text.split("\n"):
        if inside:
            inside = not line.startswith(("}", ")"))
        elif _FUNCTION.match(line):
            inside = not ("{" in line and line.rstrip().endswith("}"))
        elif not line.lstrip().startswith("#"):
            kept.append(line)
    return "\n".join(kept)


def _values(top: str, match: re.Match[str]) -> tuple[str, ...] | None:
    if match[0] != f"{match[1]}=" or (match.start() > 0 and top[match.start() - 1] != "\n"):
        return None
    if top.startswith("(", match.end()):
        array = _ARRAY.match(top, match.end())
        if array is None:
            return None
        return tuple(_plain(item[1]) for item in _ITEM.finditer(array[0], 1) if item[1])
    value = _VALUE.match(top, match.end())
    if value is None:
        return None
    return (plain,) if (plain := _plain(value[1] or "")) else ()


def _plain(word: str) -> str:
    return word[1:-1] if word.startswith(("'", '"')) else word
