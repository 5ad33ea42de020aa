"""Addresses of repository files: `/repo/<repository>[@<snapshot>]/<arch>/<file>`, see model.selector for snapshots.

`<repository>~<number>` is what a rebuild has built so far, for its other builds only.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote

import httptools

from quarters.model.errors import Invalid, NotFound
from quarters.model.selector import Selector, selector

PREFIX = b"/repo/"

_PATH = re.compile(
    r"/repo/(?P<repository>[A-Za-z0-9][A-Za-z0-9_.-]{0,62}(?:~[0-9]+)?)(?:@(?P<snapshot>[A-Za-z0-9][A-Za-z0-9_.:+-]{0,62}))?"
    r"/(?P<arch>[a-z0-9_]{1,32})/(?P<file>[A-Za-z0-9@_+][A-Za-z0-9@._+:~-]{0,300})"
)


class Asked(NamedTuple):
    """A file as its address names it; `snapshot` null is whatever is served now."""

    repository: str
    snapshot: Selector | None
    arch: str
    file: str


def is_file(url: bytes) -> bool:
    """Whether a request's target, which may be a whole URL (RFC 9112, section 3.2.2), is below `/repo/`."""
    return url.startswith(PREFIX) or (url[:4].lower() == b"http" and _path(url).startswith(PREFIX))


def asked(url: bytes) -> Asked:
    """What a request's target names; NotFound."""
    match = _PATH.fullmatch(unquote(_path(url).decode("ascii", "replace")))
    if match is None:
        raise NotFound("There is no file at this address.")
    try:
        snapshot = None if match["snapshot"] is None else selector(match["snapshot"])
    except Invalid as error:
        raise NotFound(str(error)) from None
    return Asked(match["repository"], snapshot, match["arch"], match["file"])


def _path(url: bytes) -> bytes:
    try:
        return httptools.parse_url(url).path or b""
    except httptools.HttpParserInvalidURLError:
        return b""
