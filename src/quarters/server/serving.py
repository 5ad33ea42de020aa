"""Serves the files of repositories, straight on ASGI: a package is read a megabyte at a time, off the event loop."""

import asyncio
import hashlib
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import msgspec
import structlog
from litestar.types import Receive, Scope, Send

from quarters.formats.format import Formats
from quarters.model.errors import NotFound, QuartersError
from quarters.model.repository import Repository
from quarters.protocol import problems
from quarters.protocol.resources import Problem
from quarters.publishing.shelf import Shelf
from quarters.server import ranges
from quarters.server.errors import described
from quarters.server.ranges import Range, Unsatisfiable, Validators
from quarters.storage import repositories
from quarters.storage.database import Database

log = structlog.get_logger(__name__)

PREFIX = "/repo/"
"""Below it lies `<repository>[@<snapshot>]/<arch>/<file>`."""

_PATH = re.compile(
    r"/repo/(?P<repository>[A-Za-z0-9][A-Za-z0-9_.-]{0,62})(?:@(?P<snapshot>[0-9]{1,9}))?"
    r"/(?P<arch>[a-z0-9_]{1,32})/(?P<file>[A-Za-z0-9@_+][A-Za-z0-9@._+:~-]{0,300})"
)
_SMALL = 256 << 10
_PIECE = 1 << 20
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_TYPES = {
    ".zst": "application/zstd",
    ".xz": "application/x-xz",
    ".gz": "application/gzip",
    ".sig": "application/pgp-signature",
}


class Asked(NamedTuple):
    """A file as its address names it; `snapshot` null is whatever is served now."""

    repository: str
    snapshot: int | None
    arch: str
    file: str


class Found(NamedTuple):
    """A file, or the few bytes of a signature, and how long its content may be kept under this address."""

    content: Path | bytes
    cache: str


class Elsewhere(Exception):
    """The file is to be fetched from the address in its argument."""


class FileServer:
    """An ASGI application for GET and HEAD of package and index files."""

    def __init__(self, database: Database, formats: Formats, shelf: Shelf) -> None:
        self._database = database
        self._formats = formats
        self._shelf = shelf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        answer = _Answer(scope, receive, send)
        try:
            if scope["method"] not in ("GET", "HEAD"):  # type: ignore[typeddict-item]
                return await answer.problem(405, "This can only be read.", {"Allow": "GET, HEAD"})
            await answer.file(await self._find(_asked(scope["path"])))
        except Elsewhere as elsewhere:
            # No cache may keep this, or a publish would stay unseen.
            await answer.empty(302, {"Location": str(elsewhere), "Cache-Control": "no-store"})
        except (QuartersError, FileNotFoundError) as error:
            missing = NotFound("This file is not here.") if isinstance(error, FileNotFoundError) else error
            if missing is not error:
                log.error("a listed file is missing", path=scope["path"])
            await answer.error(missing)

    async def _find(self, asked: Asked) -> Found:
        """The file; first of all it is looked for among the packages, because most requests are for those."""
        try:
            path, _ = await self._shelf.package_file(*asked)
        except NotFound:
            repository = await self._database.read(repositories.get, asked.repository)
        else:
            return Found(path, _FOR_EVER)
        if asked.arch not in repository.arches:
            raise NotFound(f"{asked.repository} is not for {asked.arch}.")
        if not self._is_index(repository, asked.file):
            return Found(await self._shelf.signature(*asked), _ASK_AGAIN)
        if asked.snapshot is None:
            served = await self._database.read(repositories.current, asked.repository)
            # An index and its signature come from one snapshot, even if there is a publish between the two: clients
            # ask for the signature beside the address to which they were sent (libalpm, dload.c).
            raise Elsewhere(f"../../{asked.repository}@{served}/{asked.arch}/{quote(asked.file)}")
        return Found(await self._shelf.index_file(*asked), _ASK_AGAIN)

    def _is_index(self, repository: Repository, file: str) -> bool:
        aliases = self._formats[repository.format].index_aliases(repository.name, repository.compression)
        name = file.removesuffix(".sig")
        return name in aliases or name in aliases.values()


def _asked(path: str) -> Asked:
    match = _PATH.fullmatch(path)
    if match is None:
        raise NotFound("There is no file at this address.")
    snapshot = match["snapshot"]
    return Asked(
        match["repository"], None if snapshot is None else int(snapshot), match["arch"], match["file"]
    )


class _Answer:
    """Writes the answer to one request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._head_only = scope["method"] == "HEAD"  # type: ignore[typeddict-item]
        self._file_name = scope["path"].rpartition("/")[2]
        self._headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self._receive = receive
        self._send = send

    async def file(self, found: Found) -> None:
        """All of a file, the range that is asked for, or that the client has it already."""
        if isinstance(found.content, bytes):
            digest = hashlib.sha256(found.content).hexdigest()
            await self._content(
                found, Validators(f'"{digest}"', datetime.fromtimestamp(0, UTC)), found.content
            )
            return
        descriptor = os.open(found.content, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            modified = datetime.fromtimestamp(int(status.st_mtime), UTC)
            validators = Validators(f'"{int(status.st_mtime):x}-{status.st_size:x}"', modified)
            await self._content(found, validators, descriptor)
        finally:
            os.close(descriptor)

    async def _content(self, found: Found, validators: Validators, content: bytes | int) -> None:
        headers = {"Accept-Ranges": "bytes", "Cache-Control": found.cache, **validators.headers()}
        if isinstance(content, bytes):
            del headers["Last-Modified"]
        if ranges.unchanged(self._headers, validators):
            return await self.empty(304, headers)
        size = len(content) if isinstance(content, bytes) else os.fstat(content).st_size
        try:
            part = ranges.wanted(self._headers, validators, size)
        except Unsatisfiable:
            outside = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
            return await self.problem(416, "The file ends before this range.", outside)
        headers["Content-Type"] = _TYPES.get(Path(self._file_name).suffix, "application/octet-stream")
        if part is not None:
            headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
        part = part or Range(0, size - 1)
        headers["Content-Length"] = str(part.last - part.first + 1)
        await self._start(206 if "Content-Range" in headers else 200, headers)
        if self._head_only:
            return await self._body(b"")
        if isinstance(content, bytes):
            return await self._body(content[part.first : part.last + 1])
        await self._copy(content, part)
        return None

    async def _copy(self, descriptor: int, part: Range) -> None:
        offset, left = part.first, part.last - part.first + 1
        if left <= _SMALL:
            return await self._body(os.pread(descriptor, left, offset))
        gone = asyncio.create_task(self._gone())
        try:
            while left and not gone.done():
                piece = await asyncio.to_thread(os.pread, descriptor, min(_PIECE, left), offset)
                if not piece:
                    raise ConnectionError("a file became shorter while it was sent")
                offset += len(piece)
                left -= len(piece)
                await self._body(piece, more=left > 0)
        finally:
            gone.cancel()
        return None

    async def _gone(self) -> None:
        """Return when the client has hung up: the server swallows what is sent after that."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def error(self, error: QuartersError) -> None:
        """An error as a problem."""
        problem, headers = described(error)
        await self._problem(problem, headers)

    async def problem(self, status: int, detail: str, headers: Mapping[str, str]) -> None:
        """A problem that has no error class of its own."""
        phrase = HTTPStatus(status).phrase
        code = phrase.lower().replace(" ", "-")
        await self._problem(problems.problem(code, phrase, status, detail), headers)

    async def _problem(self, problem: Problem, headers: Mapping[str, str]) -> None:
        body = msgspec.json.encode(problem)
        described = {"Content-Type": problems.MEDIA_TYPE, "Content-Length": str(len(body))}
        await self._start(problem.status, {**headers, **described})
        await self._body(b"" if self._head_only else body)

    async def empty(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer without a body."""
        length = {} if status == 304 else {"Content-Length": "0"}
        await self._start(status, {**headers, **length})
        await self._body(b"")

    async def _start(self, status: int, headers: Mapping[str, str]) -> None:
        encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def _body(self, body: bytes, *, more: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
