"""Whether a change of a recipe is a mere new version, and whether it may be taken without a person's look."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from quarters.model.review import Level, Policy, Size, Verdict
from quarters.planning.risks import risks

RECIPE = "PKGBUILD"
_ASIDE = frozenset({".SRCINFO", ".gitignore"})
"""Files that say nothing by themselves: made from the PKGBUILD, or read by git alone."""
OWN = (".CI/", ".git/")
"""Folders that upstreams do not have: what a tree keeps there stays when they bring nothing of the kind."""
_VERSION = re.compile(r"(?:pkgver|_pkgver|pkgrel)=(?:[\w.+~-]+|'[\w.+~-]+'|\"[\w.+~-]+\")", re.ASCII)
_SUMS = r"(?:md5|sha1|sha224|sha256|sha384|sha512|b2|ck)sums(?:_\w+)?"
_SUM = r"(?:[0-9a-fA-F]+|SKIP|'(?:[0-9a-fA-F]+|SKIP)'|\"(?:[0-9a-fA-F]+|SKIP)\")"
# Never goes back over what it has matched: the text is a stranger's.
_ITEMS = rf"[ \t]*+(?:{_SUM}(?:[ \t]++{_SUM})*+)?+[ \t]*+(\))?+[ \t]*+"
_OPENING = re.compile(rf"{_SUMS}=\({_ITEMS}")
_OPENED = re.compile(rf"{_SUMS}=\([^)]*")
_INSIDE = re.compile(_ITEMS)
_LONGEST = 4096
"""Characters of a line that an allow-list may speak of; expressions of people are not asked about more."""


class Outcome(msgspec.Struct, frozen=True):
    """Whether a change passes now, else when it will by itself (None: never), and why it does not yet."""

    passes: bool
    passes_at: datetime | None = None
    why: str = ""


def judge(old: Mapping[str, bytes], new: Mapping[str, bytes], allow: Sequence[re.Pattern[str]]) -> Verdict:
    """Compare two states of a recipe's folder, files by their paths.

    Minor is what Chaotic-AUR's tools call so: as many lines, and each line that differs is before and after an
    assignment of a plain word to pkgver, _pkgver or pkgrel, a line of a checksum array that holds nothing but
    hexadecimal digits or SKIP, or matches one of `allow`; all other files the same.
    """
    return Verdict(Size.MINOR if _is_minor(old, new, allow) else Size.MAJOR, risks(old, new))


def outcome(
    policy: Policy, verdict: Verdict, maintainers: Sequence[str], fresh_since: datetime, now: datetime
) -> Outcome:
    """What `policy` makes of a change that is known since `fresh_since`, as are those who may have made it."""
    if policy.level is Level.OFF:
        return Outcome(passes=True)
    trusted = bool(maintainers) and policy.trusted.issuperset(maintainers)
    if policy.level is Level.ALL:
        return Outcome(passes=False, why="Every change of its source is reviewed.")
    if verdict.size is Size.MAJOR and not trusted:
        return Outcome(passes=False, why="It changes more than the version and checksums.")
    due = fresh_since + policy.cooldown
    if due > now:
        return Outcome(passes=False, passes_at=due, why="It is too fresh to be taken without a look.")
    return Outcome(passes=True)


def _is_minor(old: Mapping[str, bytes], new: Mapping[str, bytes], allow: Sequence[re.Pattern[str]]) -> bool:
    if RECIPE not in old or RECIPE not in new:
        return False
    for path in (old.keys() | new.keys()) - {RECIPE} - _ASIDE:
        kept = path.startswith(OWN) and path not in new
        if not kept and old.get(path) != new.get(path):
            return False
    return _are_minor(_lines(old[RECIPE]), _lines(new[RECIPE]), allow)


def _are_minor(before: list[str], after: list[str], allow: Sequence[re.Pattern[str]]) -> bool:
    if len(before) != len(after):
        return False
    pairs = zip(before, after, _sums(before), _sums(after), strict=True)
    return all(
        (was_sum and is_sum)
        or (_VERSION.fullmatch(was) and _VERSION.fullmatch(now) and _name(was) == _name(now))
        or (max(len(was), len(now)) <= _LONGEST and any(it.search(was) and it.search(now) for it in allow))
        for was, now, was_sum, is_sum in pairs
        if was != now
    )


def _name(line: str) -> str:
    return line.partition("=")[0]


def _sums(lines: list[str]) -> list[bool]:
    """For each line whether it is one of a checksum array and holds nothing but checksums."""
    found = []
    inside = False
    for line in lines:
        match = (_INSIDE if inside else _OPENING).fullmatch(line)
        found.append(match is not None)
        goes_on = _OPENED.fullmatch(line) is not None or (inside and ")" not in line)
        inside = goes_on if match is None else match[1] is None
    return found


def _lines(content: bytes) -> list[str]:
    return content.decode(errors="surrogateescape").split("\n")
