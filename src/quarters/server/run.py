"""Listening, and serving until told to stop."""

import asyncio
import errno
import resource
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import cast

import uvicorn

from quarters.model.errors import ConfigInvalid, PortInUse
from quarters.server.app import App
from quarters.server.files.connection import Connection
from quarters.server.settings import ServerSettings

_BACKLOG = 2048
_KEEP_ALIVE = 30
_TICK = 1.0
_DESCRIPTORS = 65_536


def listen(settings: ServerSettings) -> socket.socket:
    """A socket that accepts connections from now on, before anything else is started; PortInUse, ConfigInvalid."""
    place = f"{settings.host}:{settings.port}"
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, number)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Inherited by every connection; the kernel also counts the time in which a client's window stays shut.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, settings.send_timeout * 1000)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except BaseException:
            listening.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"Another program already listens on {place}; stop it, or choose another port with --port or "
                "QUARTERS_SERVER__PORT."
            ) from error
        raise ConfigInvalid(f"The server cannot listen on {place}: {error.strerror}.") from error
    listening.setblocking(False)
    return listening


def local_url(listening: socket.socket) -> str:
    """How programs on this machine reach what listens there."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where everything is listened to
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(app: App, settings: ServerSettings, listening: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set or this is cancelled; running requests then get `shutdown_grace` seconds to end."""
    _allow_connections()
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", partial(Connection, app.files)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_grace)),
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        app.close()
        server.stop()
        await serving


def _allow_connections() -> None:
    """A connection needs up to two descriptors; the 1,024 of many systems' default would not do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < (wanted := min(hard, _DESCRIPTORS)):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Server(uvicorn.Server):
    """Leaves the process's signals to whoever runs it, and sleeps when there is nothing to do."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Accept nothing more, and end once what runs has ended."""
        self.should_exit = True
        self._stopped.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def main_loop(self) -> None:
        # Only the answers' Date has to be kept up to date; uvicorn's own loop wakes up ten times for that.
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._stopped.wait()
