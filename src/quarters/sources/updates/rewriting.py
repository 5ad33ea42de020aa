"""A PKGBUILD's text with another version, commit or checksums in it, and nothing else different."""

import re

from quarters.model.errors import RecipeInvalid

_PKGVER = re.compile(r"[\w.+]+", re.ASCII)
_SUMS = r"(?:md5|sha1|sha224|sha256|sha384|sha512|b2|ck)sums(?:_\w+)?"
_ARRAY = re.compile(rf"^({_SUMS})=\([^)]*\)", re.MULTILINE)
_SOURCES = re.compile(r"^source(?:_\w+)?=\([^)]*\)", re.MULTILINE)
_COMMIT = re.compile(r"""^_commit=\S*""", re.MULTILINE)


def released(text: str, version: str, before: str, commit: str = "") -> str:
    """The text with pkgver `version` where it had `before`, pkgrel 1, and `commit` in `_commit` if there is any.

    Sources that spell the version or the commit out get the new one. RecipeInvalid where `version` can be no pkgver, or
    the text does not say its own plainly.
    """
    if not _PKGVER.fullmatch(version):
        raise RecipeInvalid(f"The new version {version!r} cannot be a pkgver.")
    pkgver = _assignment("pkgver")
    if pkgver.search(text) is None:
        raise RecipeInvalid(
            "The PKGBUILD does not set pkgver to a plain word, so a new one cannot be written."
        )
    text = pkgver.sub(f"pkgver={version}", text, count=1)
    text = _assignment("pkgrel").sub("pkgrel=1", text, count=1)
    old_commit = _COMMIT.search(text)
    replaced = {before: version}
    if commit and old_commit is not None:
        replaced[old_commit[0].partition("=")[2].strip("'\"")] = commit
        text = _COMMIT.sub(f"_commit='{commit}'", text, count=1)
    spelt = {was: now for was, now in replaced.items() if was}
    return _SOURCES.sub(lambda found: _respelt(found[0], spelt), text)


def with_checksums(text: str, printed: str) -> str:
    """The text with the checksum arrays that `makepkg --geninteg` printed in the place of those of the same names."""
    arrays = {found[1]: found[0] for found in _ARRAY.finditer(printed)}
    return _ARRAY.sub(lambda found: arrays.get(found[1], found[0]), text)


def has_checksums(text: str) -> bool:
    """Whether there are any to be written anew."""
    return any(
        "SKIP" not in found[0] or re.search("[0-9a-f]{8}", found[0]) for found in _ARRAY.finditer(text)
    )


def _assignment(name: str) -> re.Pattern[str]:
    return re.compile(rf"""^{name}=(?:[\w.+~-]+|'[\w.+~-]+'|"[\w.+~-]+")(?=\s|$)""", re.MULTILINE)


def _respelt(array: str, replaced: dict[str, str]) -> str:
    for before, now in replaced.items():
        # After the v of a tag, but never within another version.
        array = re.sub(rf"(?<![\w.])(v?){re.escape(before)}(?!\w|\.\d)", rf"\g<1>{now}", array)
    return array
