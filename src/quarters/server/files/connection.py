"""Connections on which the kernel sends files, and every other request is left to uvicorn.

uvicorn makes a task and two messages of every request and copies every body, which costs more than a small file does.
Here a small file that is known is on its way before the call that brought its request returns.
"""

import asyncio
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from quarters.server.files.address import is_file
from quarters.server.files.files import Files, Request
from quarters.server.files.outlet import Outlet
from quarters.server.files.reply import PARTS, Part, Reply, failure

log = structlog.get_logger(__name__)


class Connection(HttpToolsProtocol):
    """One client's connection, with the requests on it one after another."""

    def __init__(self, files: Files, **given: Any) -> None:
        super().__init__(**given)
        self.files = files
        self.changed = asyncio.Event()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make a way for files beside the transport."""
        super().connection_made(transport)
        # So that whoever waits for the transport's turn to end knows that it holds nothing back.
        transport.set_write_buffer_limits(high=0)
        self.outlet = Outlet(self.loop, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Close both."""
        self.outlet.close()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Answer, if what is asked for is a file."""
        if not is_file(self.url):
            self.scope["extensions"] = {PARTS: self.go_on}  # type: ignore[dict-item]  # an extension of our own
            super().on_headers_complete()
            return
        request = Request(self.parser.get_method(), self.url, self.headers)
        stays = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        before: RequestResponseCycle | None = self.cycle
        busy = before is not None and not before.response_complete
        transfer = _Transfer(self, request, stays=stays)
        self.cycle = transfer  # type: ignore[assignment]  # has what uvicorn's protocol looks at
        if busy:  # a pipelined request waits for its turn, as uvicorn's own do
            self.flow.pause_reading()
            self.pipeline.appendleft((transfer, self.app))  # type: ignore[arg-type]
        elif self.flow.write_paused or not transfer.at_once():
            self._start_asgi_task(transfer, self.app)  # type: ignore[arg-type]

    def begin(self, reply: Reply, *, stays: bool) -> Part | None:
        """Send what can be sent without waiting; returns what is left of the file."""
        lines = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        if not stays:
            lines.append(b"connection: close\r\n")
        head = b"".join((reply.head, *lines, b"\r\n"))
        if reply.part is None or self.transport.get_write_buffer_size():
            self.transport.write(head + reply.body)
            return reply.part
        rest, left = self.outlet.begin(head, reply.part)
        if rest:
            self.transport.write(rest)
        return left if left.length else None

    async def go_on(self, part: Part) -> None:
        """Send a part of a file in the middle of an answer of chunks, as a chunk that it is; OSError."""
        try:
            await self.flow.drain()
            if self.transport.is_closing():
                raise ConnectionResetError
            await self.outlet.send(part)
        except BaseException:
            self.transport.abort()
            raise


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
        self._left: Part | None = None
        self.keep_alive = stays
        self.message_event = connection.changed

    def at_once(self) -> bool:
        """Answer as far as that goes without waiting; whether there is no more to do."""
        reply = self._connection.files.at_once(self._request)
        if reply is None:
            return False
        try:
            self._begin(reply)
        except OSError as error:
            self._break_off(error)
            return True
        if self._left is not None:
            return False
        self._complete()
        return True

    async def run_asgi(self, _app: object) -> None:
        """Answer, or what is still to be done of that, however long it takes."""
        connection = self._connection
        try:
            await connection.flow.drain()
            if not self._begun:
                self._begin(await connection.files.answer(self._request))
            if self._left is not None:
                await connection.flow.drain()
                await connection.outlet.send(self._left)
        except Exception as error:
            if self._begun or isinstance(error, ConnectionError):
                self._break_off(error)
                return
            log.exception("request failed", url=self._request.url.decode("ascii", "replace"))
            self._begin(failure(error, self._request.method))
        except BaseException:
            connection.transport.abort()
            raise
        self._complete()

    def _begin(self, reply: Reply) -> None:
        if self._connection.transport.is_closing():
            raise ConnectionResetError
        self._begun = True
        self._left = self._connection.begin(reply, stays=self.keep_alive)

    def _complete(self) -> None:
        self.response_complete = True
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.on_response_complete()

    def _break_off(self, error: Exception) -> None:
        if not isinstance(
            error, ConnectionError
        ):  # not the client's doing, such as a disk that cannot be read
            log.error("a file was not sent whole", url=self._request.url.decode("ascii"), error=str(error))
        self._connection.transport.abort()
