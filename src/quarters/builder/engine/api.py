"""Requests to a container engine over its socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from quarters.model.errors import QuartersError

_CONNECT = 10.0
"""Seconds in which an engine on this machine, or near it, takes a connection."""
_ANSWER = 300.0
"""Seconds in which it answers what needs no building or pulling: a busy disk may take its time to remove a root."""


class EngineError(QuartersError):
    """The container engine refused a request."""

    def __init__(self, message: str, status: int = 0) -> None:
        """`status` is that of HTTP, 0 where there was no answer."""
        super().__init__(message)
        self.status = status


class Api:
    """An engine at `address`: `unix:///path/of/socket` or `http://host:port`; use it as a context manager."""

    def __init__(self, address: str) -> None:
        """EngineError if no such address can be."""
        parts = urlsplit(address)
        if parts.scheme == "unix" and parts.path and not parts.netloc:
            connector: aiohttp.BaseConnector = aiohttp.UnixConnector(parts.path, limit=0)
            self._base = "http://engine"
        elif parts.scheme in ("http", "tcp") and parts.netloc:
            connector = aiohttp.TCPConnector(limit=0)
            self._base = f"http://{parts.netloc}"
        else:
            raise EngineError(
                f"{address} is no address of a container engine, such as unix:///run/docker.sock."
            )
        self._address = address
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=1 << 18)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def call(self, method: str, path: str, body: object = None, /, **query: str) -> Any:
        """What the engine answers, read as JSON; None for an empty answer."""
        try:
            async with (
                asyncio.timeout(_ANSWER),
                self.opened(method, path, params=query, **({} if body is None else {"json": body})) as answer,
            ):
                text = await answer.text()
        except TimeoutError:
            raise EngineError(f"The container engine did not answer {method} {path} in time.") from None
        return json.loads(text) if text.strip() else None

    async def send(self, method: str, path: str, data: Any, /, **query: str) -> list[Mapping[str, Any]]:
        """Send an archive (tar); the engine's reports on what it makes of it. EngineError if one tells of a failure."""
        headers = {"Content-Type": "application/x-tar"}
        async with self.opened(method, path, data=data, params=query, headers=headers) as answer:
            return [report async for report in _reports(answer)]

    @asynccontextmanager
    async def opened(self, method: str, path: str, **how: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request, to be read while it comes; EngineError if it was refused."""
        try:
            async with self._session.request(method, self._base + path, **how) as answer:
                if answer.status >= 400:
                    raise EngineError(_complaint(await answer.text()), answer.status)
                yield answer
        except (aiohttp.ClientError, OSError) as error:
            why = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
            raise EngineError(
                f"The container engine at {self._address} cannot be reached: {getattr(why, 'strerror', None) or why}."
            ) from error


async def _reports(answer: aiohttp.ClientResponse) -> AsyncIterator[Mapping[str, Any]]:
    # Pulls, builds and imports answer 200 at once, and tell in lines of JSON what became of them.
    async for line in answer.content:
        if not line.strip():
            continue
        report = json.loads(line)
        if "error" in report:
            raise EngineError(str(report["error"]).strip())
        yield report


def _complaint(text: str) -> str:
    try:
        message = json.loads(text)["message"]
    except (ValueError, KeyError, TypeError):
        message = text
    return f"The container engine says: {str(message).strip()}"
