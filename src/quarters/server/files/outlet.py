"""A second way to a client, beside the connection's transport: files go from the disk's cache straight to the kernel."""

import asyncio
import os
import socket
from collections.abc import Callable

from quarters.server.files.reply import Part


class Outlet:
    """The socket of a transport under a descriptor of its own; to be used only while the transport holds nothing back."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        shared = transport.get_extra_info("socket")
        self._socket = socket.socket(shared.family, shared.type, shared.proto, os.dup(shared.fileno()))
        self._sent: asyncio.Future[None] | None = None
        self._left: Part | None = None

    def begin(self, head: bytes, part: Part) -> tuple[bytes, Part]:
        """Send what the kernel takes without waiting; returns what is left of both."""
        file, first, length = part
        # MSG_MORE: both travel in one piece.
        begun = _taken(self._socket.send, head, socket.MSG_MORE)
        if begun < len(head):
            return head[begun:], part
        sent = _taken(os.sendfile, self._socket.fileno(), file.fileno(), first, length)
        return b"", Part(file, first + sent, length - sent)

    async def send(self, part: Part) -> None:
        """Send a part of a file as fast as the client takes it; OSError."""
        file, first, length = part
        # Begins to read what is not in memory yet, and does not wait for it.
        os.posix_fadvise(file.fileno(), first, length, os.POSIX_FADV_WILLNEED)
        self._sent = self._loop.create_future()
        self._left = part
        self._loop.add_writer(self._socket.fileno(), self._continue)
        await self._sent

    def close(self) -> None:
        """Break off what is being sent."""
        self._end(ConnectionResetError())
        self._socket.close()

    def _continue(self) -> None:
        if self._left is None:
            return
        file, first, length = self._left
        try:
            sent = os.sendfile(self._socket.fileno(), file.fileno(), first, length)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        self._left = Part(file, first + sent, length - sent)
        if sent == length:
            self._end()
        elif sent == 0:
            self._end(ConnectionAbortedError("a file became shorter while it was sent"))

    def _end(self, error: OSError | None = None) -> None:
        if self._sent is None:
            return
        self._loop.remove_writer(self._socket.fileno())
        if self._sent.cancelled():
            pass
        elif error is None:
            self._sent.set_result(None)
        else:
            self._sent.set_exception(error)
        self._sent = self._left = None


def _taken(send: Callable[..., int], *arguments: object) -> int:
    """How much the kernel took without waiting."""
    try:
        return send(*arguments)
    except BlockingIOError:
        return 0
