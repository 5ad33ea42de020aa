"""Tags of repositories as versions."""

import re
from collections.abc import Iterable
from functools import cmp_to_key

from quarters.formats.pacman.version import compare

_PRE = re.compile(
    r"[-_.~+]?(alpha|beta|rc|pre|preview|dev|snapshot|nightly)(?![a-z])|(?<=\d)[abc](?=\d)", re.IGNORECASE
)
"""What marks a version before the one that it is named after (semver.org, 9; PEP 440); the b of `1.0.2b` does not."""
_VERSION = re.compile(r"\d[\w.+~-]*", re.ASCII)


def newest(tags: Iterable[str], *, prereleases: bool) -> str:
    """The tag with the highest version, by vercmp(8), "" if none has any; `v1.2`, `1.2` and `name-1.2` all say 1.2."""
    found = {tag: said for tag in sorted(tags) if (said := version(tag))}
    fit = [tag for tag, said in found.items() if prereleases or not _PRE.search(said)]
    order = cmp_to_key(compare)
    return max(fit, key=lambda tag: order(_ordered(found[tag])), default="")


def version(tag: str) -> str:
    """What a tag says behind its name or its `v`, "" if that is no version."""
    match = _VERSION.search(tag)
    return match[0] if match and match.end() == len(tag) else ""


def _ordered(said: str) -> str:
    """As vercmp has to see it: what comes before 1.0 right behind it, and nothing that it takes for a pkgrel."""
    return _PRE.sub(lambda found: found[1] or found[0], said.lower()).replace("-", ".")
