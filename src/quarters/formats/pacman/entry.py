"""A package's entry in an index, `desc` and `files`, byte for byte as repo-add 6.0.2 writes them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

Fields = Mapping[str, Sequence[str]]
"""What .PKGINFO says: every key's values in order."""


class Sums(NamedTuple):
    """A file's length in bytes and its checksums in hexadecimal."""

    size: int
    md5: str
    sha256: str


# bash's [[:space:]] where the locale is UTF-8 (glibc's locales/i18n_ctype): not the blanks that do not break lines.
_WHITESPACE = re.compile(r"[ \t\n\v\f\r\u1680\u2000-\u2006\u2008-\u200a\u2028\u2029\u205f\u3000]+")
_LINE = re.compile(r"([^ =]*) *=? *(.*)")
# bsdtar -t escapes what a terminal cannot show, and the backslash itself.
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\\\\\udc80-\udcff]")
_ESCAPES = dict(zip("\a\b\f\n\r\t\v\\", "abfnrtv\\", strict=True))


def parse_pkginfo(text: str) -> dict[str, list[str]]:
    """Read .PKGINFO (`key = value` lines) as repo-add does: runs of whitespace become one blank, empty values nothing.

    One lonely `=` at the end of a value without any other is lost, as bash's `IFS=' =' read` loses it; makepkg
    writes no such value but in a URL, and there both tools then agree.
    """
    fields: dict[str, list[str]] = {}
    for raw in text.split("\n"):
        line = raw.strip(" \t")
        if not line or line[0] == "#":
            continue
        match = _LINE.match(line)
        key, value = match.groups() if match else (line, "")
        if value.endswith("=") and not re.search("[ =]", value[:-1].rstrip(" ")):
            value = value[:-1].rstrip(" ")
        if value:
            fields.setdefault(key, []).append(_WHITESPACE.sub(" ", value))
    return fields


def desc(file_name: str, fields: Fields, sums: Sums) -> str:
    """The text of `desc`, without %PGPSIG%: signatures are made later, and clients fetch them as `.sig` files."""

    def last(key: str) -> Sequence[str]:
        return fields.get(key, ())[-1:]

    def every(key: str) -> Sequence[str]:
        return fields.get(key, ())

    entries: tuple[tuple[str, Sequence[str]], ...] = (
        ("FILENAME", (file_name,)),
        ("NAME", last("pkgname")),
        ("BASE", last("pkgbase")),
        ("VERSION", last("pkgver")),
        ("DESC", last("pkgdesc")),
        ("GROUPS", every("group")),
        ("CSIZE", (str(sums.size),)),
        ("ISIZE", last("size")),
        ("MD5SUM", (sums.md5,)),
        ("SHA256SUM", (sums.sha256,)),
        ("URL", last("url")),
        ("LICENSE", every("license")),
        ("ARCH", last("arch")),
        ("BUILDDATE", last("builddate")),
        ("PACKAGER", last("packager")),
        ("REPLACES", every("replaces")),
        ("CONFLICTS", every("conflict")),
        ("PROVIDES", every("provides")),
        ("DEPENDS", every("depend")),
        ("OPTDEPENDS", every("optdepend")),
        ("MAKEDEPENDS", every("makedepend")),
        ("CHECKDEPENDS", every("checkdepend")),
    )
    return "".join(f"%{key}%\n" + "\n".join(values) + "\n\n" for key, values in entries if values)


def files(paths: Iterable[str]) -> str:
    """The text of `files`: every path but metadata (a leading dot), sorted as bytes, directories with a slash."""
    listed = sorted({_escaped(path) for path in paths if not path.startswith(".")})
    return "".join(f"{line}\n" for line in ("%FILES%", *listed))


def _escaped(path: str) -> str:
    return _UNPRINTABLE.sub(_escape, path)


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    known = _ESCAPES.get(character)
    return (
        f"\\{known}"
        if known
        else "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))
    )
