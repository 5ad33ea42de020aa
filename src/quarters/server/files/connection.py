"""Connections on which the kernel sends files, and every other request is left to uvicorn.

uvicorn makes a task and two messages of every request and copies every body, which costs more than a small file does.
Here a small file that is known is on its way before the call that brought its request returns.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from quarters.server.files.address import is_file
from quarters.server.files.files import Files, Request
from quarters.server.files.reply import Part, Reply, failure

log = structlog.get_logger(__name__)

_SMALL = 64 << 10
"""Bytes that a client who does not take them at once may leave in our memory."""


class Connection(HttpToolsProtocol):
    """One client's connection, with the requests on it one after another."""

    def __init__(self, files: Files, **given: Any) -> None:
        super().__init__(**given)
        self.files = files
        self.changed = asyncio.Event()
        self._answered = _Transfer(self, Request(b"", b"", ()), stays=True)
        self._answered.response_complete = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Know the socket as well, which stays the transport's to close."""
        super().connection_made(transport)
        self._socket = socket.socket(fileno=transport.get_extra_info("socket").fileno())

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the socket."""
        self._socket.detach()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Answer, if what is asked for is a file."""
        if not is_file(self.url):
            super().on_headers_complete()
            return
        request = Request(self.parser.get_method(), self.url, self.headers)
        stays = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        before: RequestResponseCycle | None = self.cycle
        busy = before is not None and not before.response_complete
        if not busy and stays and self._at_once(request):
            self.cycle = self._answered  # type: ignore[assignment]  # has what uvicorn's protocol looks at
            return
        transfer = _Transfer(self, request, stays=stays)
        self.cycle = transfer  # type: ignore[assignment]
        if busy:  # a pipelined request waits for its turn, as uvicorn's own do
            self.flow.pause_reading()
            self.pipeline.appendleft((transfer, self.app))  # type: ignore[arg-type]
        else:
            self._start_asgi_task(transfer, self.app)  # type: ignore[arg-type]

    def head(self, reply: Reply, *, stays: bool) -> bytes:
        """What an answer begins with, up to its empty line."""
        lines = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        if not stays:
            lines.append(b"connection: close\r\n")
        return b"".join((reply.head, *lines, b"\r\n"))

    def _at_once(self, request: Request) -> bool:
        """Answer without waiting, if that is possible."""
        reply = self.files.at_once(request)
        if reply is None or self.flow.write_paused or (reply.part and reply.part.length > _SMALL):
            return False
        head = self.head(reply, stays=True)
        if reply.part is None:
            self.transport.write(head + reply.body)
        else:
            self._send(head, reply.part)
        self.on_response_complete()
        return True

    def _send(self, head: bytes, part: Part) -> None:
        """Have the kernel take `head` and the part of a file; what it does not take now waits in our memory."""
        try:
            # MSG_MORE: both travel in one piece.
            waiting = self.transport.get_write_buffer_size()
            begun = 0 if waiting else _taken(self._socket.send, head, socket.MSG_MORE)
            descriptor, first, length = part.file.fileno(), part.first, part.length
            if begun == len(head):
                sent = _taken(os.sendfile, self._socket.fileno(), descriptor, first, length)
                first, length = first + sent, length - sent
            if length:
                self.transport.write(head[begun:] + os.pread(descriptor, length, first))
        except ConnectionError:
            self.transport.abort()
        except OSError as error:
            log.error("a file cannot be read", error=str(error))
            self.transport.abort()


class _Transfer:
    """The request in hand; has the attributes of uvicorn's RequestResponseCycle that its protocol uses."""

    response_complete = False
    disconnected = False
    more_body = True
    body = b""

    def __init__(self, connection: Connection, request: Request, *, stays: bool) -> None:
        self._connection = connection
        self._request = request
        self._begun = False
        self.keep_alive = stays
        self.message_event = connection.changed

    async def run_asgi(self, _app: object) -> None:
        """Answer, however long that takes."""
        try:
            await self._connection.flow.drain()
            await self._send(await self._connection.files.answer(self._request))
        except ConnectionError:
            self._connection.transport.abort()
        except Exception as error:
            log.exception("request failed", url=self._request.url.decode("ascii", "replace"))
            if self._begun:
                self._connection.transport.abort()
            else:
                await self._send(failure(error, self._request.method))
        except BaseException:
            self._connection.transport.abort()
            raise

    async def _send(self, reply: Reply) -> None:
        connection, transport = self._connection, self._connection.transport
        if transport.is_closing():
            return
        self._begun = True
        transport.write(connection.head(reply, stays=self.keep_alive) + reply.body)
        if reply.part is not None:
            file, first, length = reply.part
            # Begins to read what is not in memory yet, and does not wait for it.
            os.posix_fadvise(file.fileno(), first, length, os.POSIX_FADV_WILLNEED)
            sent = await connection.loop.sendfile(transport, file, first, length)  # type: ignore[arg-type]  # has what it takes
            if sent != length:
                raise ConnectionError("a file became shorter while it was sent")
        self.response_complete = True
        if not self.keep_alive:
            transport.close()
        connection.on_response_complete()


def _taken(send: Callable[..., int], *arguments: object) -> int:
    """How much the kernel took without waiting."""
    try:
        return send(*arguments)
    except BlockingIOError:
        return 0
