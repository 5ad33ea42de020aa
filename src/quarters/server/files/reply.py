"""Answers to requests for files, decided without reading one: what is sent first, and which part of what file."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from quarters.protocol import problems
from quarters.protocol.resources import Problem
from quarters.server import ranges
from quarters.server.errors import described
from quarters.server.files.found import ASK_AGAIN, Elsewhere, Found, Held, OpenFile, Stored
from quarters.server.ranges import Range, Unsatisfiable

PARTS = "quarters.parts"
"""The ASGI extension by which a connection sends a Part in the middle of an answer, whose framing it has to bring."""


class Part(NamedTuple):
    """`length` bytes of a file."""

    file: OpenFile
    first: int
    length: int


class Reply(NamedTuple):
    """Status line and headers without the empty line at their end; then `body`, or a part of a file."""

    head: bytes
    body: bytes = b""
    part: Part | None = None


class Accel(NamedTuple):
    """A front (nginx) sends files in our place: those of `folder`, known to it below the address `prefix`."""

    prefix: str
    folder: str

    def redirect(self, path: str) -> str:
        """How the front is told to send the file at `path`."""
        return quote(f"{self.prefix.rstrip('/')}/{path.removeprefix(self.folder).lstrip('/')}")


def reply(found: Found, method: bytes, headers: Iterable[tuple[bytes, bytes]], accel: Accel | None) -> Reply:
    """All of a file, the range that is asked for, that the client has it already, or where else it is."""
    if method not in (b"GET", b"HEAD"):
        return _problem(_plain(405, "This can only be read."), method, {"Allow": "GET, HEAD"})
    if isinstance(found, Elsewhere):
        # No cache may keep this, or a publish would stay unseen.
        moved = {"Location": found.location, "Cache-Control": "no-store", "Content-Length": "0"}
        return Reply(_head(302, moved))
    if accel is not None and isinstance(found, Stored):
        handed = {"X-Accel-Redirect": accel.redirect(found.file.path), "Content-Length": "0"}
        return Reply(_head(200, {**handed, "Content-Type": found.media_type, "Cache-Control": found.cache}))
    given = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    return _content(found, method, given)


def failure(error: Exception, method: bytes) -> Reply:
    """An error as a problem."""
    problem, headers = described(error)
    return _problem(problem, method, headers)


def _content(found: Stored | Held, method: bytes, given: Mapping[str, str]) -> Reply:
    validators, cache = found.validators, found.cache if isinstance(found, Stored) else ASK_AGAIN
    headers = {"Accept-Ranges": "bytes", "Cache-Control": cache, **validators.headers()}
    if ranges.unchanged(given, validators):
        return Reply(_head(304, headers))
    size = found.size if isinstance(found, Stored) else len(found.data)
    try:
        part = ranges.wanted(given, validators, size)
    except Unsatisfiable:
        outside = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
        return _problem(_plain(416, "The file ends before this range."), method, outside)
    if part is not None:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    first, last = part or Range(0, size - 1)
    headers |= {"Content-Type": found.media_type, "Content-Length": str(last - first + 1)}
    head = _head(200 if part is None else 206, headers)
    if method == b"HEAD":
        return Reply(head)
    if isinstance(found, Held):
        return Reply(head, found.data[first : last + 1])
    return Reply(head, part=Part(found.file, first, last - first + 1))


def _plain(status: int, detail: str) -> Problem:
    """A problem that has no error class of its own."""
    phrase = HTTPStatus(status).phrase
    return problems.problem(phrase.lower().replace(" ", "-"), phrase, status, detail)


def _problem(problem: Problem, method: bytes, headers: Mapping[str, str]) -> Reply:
    body = msgspec.json.encode(problem)
    more = {"Content-Type": problems.MEDIA_TYPE, "Content-Length": str(len(body))}
    return Reply(_head(problem.status, {**headers, **more}), b"" if method == b"HEAD" else body)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name.lower()}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "")).encode("latin-1")
