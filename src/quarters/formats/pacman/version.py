"""Versions as libalpm orders them: `[epoch:]pkgver[-pkgrel]`, by the rules of vercmp(8)."""

import re

# lib/libalpm/version.c walks both strings in step; one match is one step: separators, then digits or letters.
_STEP = re.compile(r"([^0-9A-Za-z]*)(?:([0-9]+)|([A-Za-z]+))?")
_EVR = re.compile(r"(?:([0-9]*):)?(.*?)(?:-([^-]*))?", re.DOTALL)


def compare(left: str, right: str) -> int:
    """Order two full versions as `vercmp` does: -1, 0 or 1; a pkgrel counts only where both have one."""
    if left == right:
        return 0
    left_epoch, left_version, left_release = _split(left)
    right_epoch, right_version, right_release = _split(right)
    order = _compare_part(left_epoch, right_epoch) or _compare_part(left_version, right_version)
    if order == 0 and left_release is not None and right_release is not None:
        order = _compare_part(left_release, right_release)
    return order


def bumped(version: str, bump: int, *, whole: bool = False) -> str:
    """The version of the second rebuild: `1.0-1` becomes `1.0-1.2`, and `1.0-1.2` becomes `1.0-1.4`; both 1.0-3 if `whole`.

    makepkg allows a pkgrel one dot only, so a recipe's own minor pkgrel is raised instead of followed by a second.
    """
    if bump == 0:
        return version
    head, _, release = version.rpartition("-")
    major, _, minor = release.partition(".")
    if whole:
        return f"{head}-{int(major) + bump}"
    return f"{head}-{major}.{int(minor or 0) + bump}"


def _split(version: str) -> tuple[str, str, str | None]:
    if not version.isascii():
        # libalpm counts bytes and knows ASCII letters only: make every byte one character.
        version = version.encode("utf-8", "surrogateescape").decode("latin-1")
    match = _EVR.fullmatch(version)
    assert match is not None  # noqa: S101 - every part is optional, so that any text matches
    epoch, rest, release = match.groups()
    return epoch or "0", rest, release


def _compare_part(left: str, right: str) -> int:
    """libalpm's rpmvercmp()."""
    if left == right:
        return 0
    left_at = right_at = 0
    while left_at < len(left) and right_at < len(right):
        left_step, right_step = _STEP.match(left, left_at), _STEP.match(right, right_at)
        assert left_step is not None  # noqa: S101 - the pattern matches the empty string
        assert right_step is not None  # noqa: S101
        left_gap, right_gap = left_step.end(1) - left_at, right_step.end(1) - right_at
        left_at, right_at = left_step.end(1), right_step.end(1)
        if left_at == len(left) or right_at == len(right):
            break
        if left_gap != right_gap:
            return -1 if left_gap < right_gap else 1
        order = _compare_segment(left_step, right_step)
        if order:
            return order
        left_at, right_at = left_step.end(), right_step.end()
    return _compare_rest(left[left_at : left_at + 1], right[right_at : right_at + 1])


def _compare_segment(left: re.Match[str], right: re.Match[str]) -> int:
    """Order two segments that both exist; a number is newer than a word."""
    left_number, left_word = left.group(2), left.group(3)
    right_number, right_word = right.group(2), right.group(3)
    if left_number is None:
        if right_word is None:
            return -1
        return (left_word > right_word) - (left_word < right_word)
    if right_number is None:
        return 1
    # Compared as digits and not as integers: a number may be longer than int() accepts.
    left_number, right_number = left_number.lstrip("0"), right_number.lstrip("0")
    left_key, right_key = (len(left_number), left_number), (len(right_number), right_number)
    return (left_key > right_key) - (left_key < right_key)


def _compare_rest(left: str, right: str) -> int:
    """Order by what follows the last common segment: a word there is older than nothing (`1.0rc1` < `1.0`)."""
    if not left and not right:
        return 0
    left_word, right_word = left.isascii() and left.isalpha(), right.isascii() and right.isalpha()
    return -1 if left_word or (not left and not right_word) else 1
