"""Connections that send files by themselves, and leave every other request to uvicorn.

uvicorn makes an ASGI scope, a task and two messages of every request and copies every body, which costs more than a
small file does; here a small file is read and sent as soon as its request is, and the kernel sends large ones.
"""

import asyncio
import os
from io import FileIO
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from quarters.server.files.address import is_file
from quarters.server.files.files import Files, Request
from quarters.server.files.reply import Part, Reply, failure

log = structlog.get_logger(__name__)

_SMALL = 64 << 10
"""Bytes up to which one read is cheaper than handing the file to the kernel, and that a slow reader may hold here."""


class Connection(HttpToolsProtocol):
    """One client's connection, with the requests on it one after another."""

    def __init__(self, files: Files, **given: Any) -> None:
        super().__init__(**given)
        self._files = files
        self.changed = asyncio.Event()

    def on_headers_complete(self) -> None:
        """Answer, if what is asked for is a file."""
        if not is_file(self.url):
            super().on_headers_complete()
            return
        before: RequestResponseCycle | None = self.cycle
        busy = before is not None and not before.response_complete
        transfer = _Transfer(self, self._files, Request(self.parser.get_method(), self.url, self.headers))
        self.cycle = transfer  # type: ignore[assignment]  # has what uvicorn's protocol looks at
        if busy:  # a pipelined request waits for its turn, as uvicorn's own do
            self.flow.pause_reading()
            self.pipeline.appendleft((transfer, self.app))  # type: ignore[arg-type]
        elif self.flow.write_paused or not transfer.at_once():
            self._start_asgi_task(transfer, self.app)  # type: ignore[arg-type]


class _Transfer:
    """The request in hand; has the attributes of uvicorn's RequestResponseCycle that its protocol uses."""

    def __init__(self, connection: Connection, files: Files, request: Request) -> None:
        self._connection = connection
        self._files = files
        self._request = request
        self._started = False
        parser = connection.parser
        self.keep_alive = parser.should_keep_alive() and parser.get_http_version() != "1.0"
        self.response_complete = False
        self.disconnected = False
        self.more_body = True
        self.body = bytearray()
        self.message_event = connection.changed

    def at_once(self) -> bool:
        """Answer without waiting, if that is possible."""
        reply = self._files.at_once(self._request)
        if reply is None or (reply.part is not None and reply.part.length > _SMALL):
            return False
        try:
            self._write(reply, reply.body if reply.part is None else _read(reply.part))
        except OSError:
            return False
        return True

    async def run_asgi(self, _app: object) -> None:
        """Answer, however long that takes."""
        try:
            await self._connection.flow.drain()
            await self._answer()
        except ConnectionError:
            self._connection.transport.abort()
        except Exception as error:
            log.exception("request failed", url=self._request.url.decode("ascii", "replace"))
            if self._started:
                self._connection.transport.abort()
            else:
                reply = failure(error, self._request.method)
                self._write(reply, reply.body)
        except BaseException:
            self._connection.transport.abort()
            raise

    async def _answer(self) -> None:
        reply = await self._files.answer(self._request)
        try:
            await self._send(reply)
        except FileNotFoundError:  # an index that was put away since; looking it up again makes it again
            self._files.forget(self._request)
            await self._send(await self._files.answer(self._request))

    async def _send(self, reply: Reply) -> None:
        if reply.part is None:
            self._write(reply, reply.body)
        elif reply.part.length <= _SMALL:
            self._write(reply, _read(reply.part))
        else:
            with FileIO(_opened(reply.part)) as file:
                await self._hand_over(reply, reply.part, file)

    async def _hand_over(self, reply: Reply, part: Part, file: FileIO) -> None:
        connection = self._connection
        # Begins to read what is not in memory yet, and does not wait for it.
        os.posix_fadvise(file.fileno(), part.first, part.length, os.POSIX_FADV_WILLNEED)
        self._write(reply, b"", whole=False)
        if await connection.loop.sendfile(connection.transport, file, part.first, part.length) != part.length:
            raise ConnectionError("a file became shorter while it was sent")
        self._complete()

    def _write(self, reply: Reply, body: bytes, *, whole: bool = True) -> None:
        lines = [b"%b: %b\r\n" % header for header in self._connection.server_state.default_headers]
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        self._started = True
        self._connection.transport.write(b"".join((reply.head, *lines, b"\r\n", body)))
        if whole:
            self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.on_response_complete()


def _opened(part: Part) -> int:
    """A descriptor of the file that was looked up; FileNotFoundError if another one is in its place."""
    descriptor = os.open(part.path, os.O_RDONLY | os.O_CLOEXEC)
    if os.fstat(descriptor).st_size != part.size:
        os.close(descriptor)
        raise FileNotFoundError(part.path)
    return descriptor


def _read(part: Part) -> bytes:
    descriptor = _opened(part)
    try:
        return os.pread(descriptor, part.length, part.first)
    finally:
        os.close(descriptor)
