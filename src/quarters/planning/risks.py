"""The parts of a recipe's change that deserve a second look, each with the file and the line where it is."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import NamedTuple

from quarters.model.review import Risk, RiskKind

_RECIPE = "PKGBUILD"
_MOST = 200
"""Risks that are pointed out; who sees that many needs no more."""
_CONSIDERED = 1000
"""Characters of a line that are looked at; a longer line is a risk by itself."""
_LONG = 500
_ASIDE = frozenset({".SRCINFO", ".gitignore"})
_LINK = b"\x00120000 "
"""How sources/comparing.py tells of one."""
_HOW_IT_IS_BUILT = (".quarters/", ".CI/", "quarters.toml")


class _Sign(NamedTuple):
    kind: RiskKind
    pattern: re.Pattern[str]
    message: str


def _sign(kind: RiskKind, pattern: str, message: str) -> _Sign:
    return _Sign(kind, re.compile(pattern), message)


_SHELL = r"(?:ba|z|da|k|fi)?sh\b|python[\d.]*\b|perl\b|ruby\b|node\b|bun\b"
# What is said about a line that was not there before; a line may bear several.
_SIGNS = (
    _sign(
        RiskKind.PIPED_SHELL,
        rf"(?<![\w-])(?:curl|wget|fetch)\b[^|\n]*\|\s*(?:sudo\s+|env\s+)?(?:{_SHELL})"
        rf"|(?:\b(?:{_SHELL})|\beval|\bsource|(?:^|\s)\.)\s[^\n]*[<$]\(\s*(?:curl|wget)\b",
        "It runs what it downloads.",
    ),
    _sign(
        RiskKind.NETWORK,
        r"(?<![\w-])(?:curl|wget|aria2c|ncat|socat|telnet|scp|sftp|rsync)\s|/dev/(?:tcp|udp)/|\bnc\s+-"
        r"|\bgit\s+(?:clone|fetch|pull|submodule)\b",
        "It opens a connection by itself.",
    ),
    _sign(
        RiskKind.NETWORK,
        r"\b(?:npm|pnpm|yarn|bun)\s+(?:install|i|ci|add|x)\b|\bnpx\s|\b(?:pip3?|pipx|uv|gem|cpan|luarocks)\s+install\b"
        r"|\bcargo\s+(?:install|fetch)\b|\bgo\s+(?:get|install)\b",
        "It takes packages from another registry.",
    ),
    _sign(
        RiskKind.OBFUSCATION,
        r"\b(?:base64|base32)\s+(?:-d|-D|--decode|-di)\b|\bxxd\s+-r|\bopenssl\s+(?:enc|base64)\b|\bb64decode\b",
        "It decodes something that nobody can read as it stands.",
    ),
    _sign(RiskKind.OBFUSCATION, r"(?:^|[\s;&|(])eval\s", "It runs a text that is put together first (eval)."),
    _sign(
        RiskKind.OBFUSCATION,
        r"(?:\\x[0-9a-fA-F]{2}){3}|(?:\\[0-7]{3}){3}|(?:\\u[0-9a-fA-F]{4}){3}|\$\{?IFS\b|\brev\s*(?:<<<|\|)|\|\s*rev\b",
        "It writes a text so that it cannot be read.",
    ),
    _sign(
        RiskKind.PRIVILEGE,
        r"\bchmod\s[^\n]*?(?:\b0?[2-7][0-7]{3}\b|[ugoa]*\+[rwxXt]*s)|\binstall\s[^\n]*?-[A-Za-z]*m\s?0?[2467][0-7]{3}\b"
        r"|--mode=0?[2467][0-7]{3}\b|\bsetcap\s",
        "It gives a program rights that its user does not have (setuid, setgid or capabilities).",
    ),
    _sign(
        RiskKind.SCRIPTLET,
        r"^\s*install\s*=",
        "It names a scriptlet, which runs as root where it is installed.",
    ),
    _sign(RiskKind.MAINTAINER, r"^#\s*(?:Co-)?[Mm]aintainer\s*:", "It names another maintainer."),
    _sign(RiskKind.SIGNING_KEY, r"\bvalidpgpkeys\b", "It changes which keys may sign its sources."),
    _sign(
        RiskKind.LOOKALIKE,
        "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]",
        "It holds characters that are not seen, or turn the direction of the text.",
    ),
)
# Letters of scripts that have twins of ASCII's: Greek, Cyrillic, Armenian, Cherokee, full-width and mathematical forms.
_TWINS = re.compile(
    "[\u0370-\u03ff\u0400-\u052f\u0531-\u058f\u13a0-\u13ff\uff01-\uff5e\U0001d400-\U0001d7ff]"
)
_BLOB = re.compile(r"[A-Za-z0-9+/=]{160}")
_URL = re.compile(r"\b(?:[a-z]+\+)?(?:https?|ftp|git|ssh|svn)://(?:[^\s/'\"@]*@)?([^\s/'\":)]*)")
_VERSION = re.compile(r"^(?:_?pkgver|epoch|_commit|_tag)=.*", re.MULTILINE)
_ARRAY = re.compile(r"^\s*(\w+?)\+?=\(")
_SUM_NAME = re.compile(r"(?:md5|sha1|sha224|sha256|sha384|sha512|b2|ck)sums(?:_\w+)?")
_DIGEST = re.compile(r"\b[0-9a-fA-F]{8,}\b")


def risks(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> tuple[Risk, ...]:
    """What to look at in `new`, files by their paths, that `old` did not have; by file and line."""
    changed = (path for path in sorted(new) if path not in _ASIDE and old.get(path) != new[path])
    found = chain.from_iterable(_of_file(path, old.get(path), new[path]) for path in changed)
    return tuple(dict.fromkeys(islice(found, _MOST)))


def _of_file(path: str, before: bytes | None, after: bytes) -> Iterator[Risk]:
    added = "is new" if before is None else "changed"
    if path.startswith(_HOW_IT_IS_BUILT):
        yield Risk(RiskKind.HOOK, path, 0, f"How it is built {added}.")
    if b"\0" in after:
        what = "a symbolic link" if after.startswith(_LINK) else "no text, or too large to be looked at"
        yield Risk(RiskKind.BINARY, path, 0, f"This file {added}, and is {what}.")
        return
    if path.endswith(".install"):
        yield Risk(
            RiskKind.SCRIPTLET, path, 0, f"A scriptlet, which runs as root where it is installed, {added}."
        )
    old, new = (before or b"").decode(errors="replace"), after.decode(errors="replace")
    known = Counter(old.split("\n"))
    fresh = [(number, line) for number, line in enumerate(new.split("\n"), 1) if _is_new(line, known)]
    for number, line in fresh:
        yield from _of_line(path, number, line)
    if path == _RECIPE:
        yield from _hosts(old, fresh)
        yield from _checksums(old, new)


def _is_new(line: str, known: Counter[str]) -> bool:
    known[line] -= 1
    return known[line] < 0 and bool(line.strip())


def _of_line(path: str, number: int, line: str) -> Iterator[Risk]:
    if len(line) > _LONG:
        message = f"A line of {len(line)} characters, longer than anybody reads."
        yield Risk(RiskKind.OBFUSCATION, path, number, message)
    considered = line[:_CONSIDERED]
    for sign in _SIGNS:
        if sign.pattern.search(considered):
            yield Risk(sign.kind, path, number, sign.message)
    if _BLOB.search(considered):
        yield Risk(RiskKind.OBFUSCATION, path, number, "A long text that only a program can read.")
    code = considered.lstrip()
    if not code.startswith(("#", "pkgdesc")) and _TWINS.search(code):
        yield Risk(RiskKind.LOOKALIKE, path, number, "It holds letters that look like others.")


def _hosts(old: str, fresh: list[tuple[int, str]]) -> Iterator[Risk]:
    known = set(_URL.findall(old))
    for number, line in fresh:
        for host in dict.fromkeys(_URL.findall(line[:_CONSIDERED])):
            if host not in known:
                yield Risk(
                    RiskKind.SOURCE_HOST,
                    _RECIPE,
                    number,
                    f"It names {host or 'a host'}, which it did not before.",
                )


def _checksums(old: str, new: str) -> Iterator[Risk]:
    before, after = _sums(old), _sums(new)
    digests = {digest for line in before.values() for digest in _DIGEST.findall(line)}
    fresh = [number for number, line in after.items() if set(_DIGEST.findall(line)) - digests]
    if fresh and digests and _VERSION.findall(old) == _VERSION.findall(new):
        yield Risk(RiskKind.CHECKSUM, _RECIPE, fresh[0], "Checksums changed, and the version did not.")
    skips = sum(line.count("SKIP") for line in before.values())
    skipped = [number for number, line in after.items() for _ in range(line.count("SKIP"))]
    if old and len(skipped) > skips:
        message = "More of its sources than before have no checksum."
        yield Risk(RiskKind.CHECKSUM_SKIPPED, _RECIPE, skipped[-1], message)


def _sums(text: str) -> dict[int, str]:
    """The lines of checksum arrays, by number."""
    found: dict[int, str] = {}
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        match = _ARRAY.match(line)
        if match is not None and not inside:
            inside = _SUM_NAME.fullmatch(match[1]) is not None
        if inside:
            found[number] = line
            inside = ")" not in line
    return found
