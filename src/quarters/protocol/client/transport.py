"""One HTTP connection pool to one server: requests, answers as typed values, problems as errors, event streams."""

import asyncio
import io
import os
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from quarters.model.errors import ServerUnreachable, Unavailable
from quarters.protocol import streams
from quarters.protocol.client.trust import SYSTEM, Trust
from quarters.protocol.problems import error_from

T = TypeVar("T")

Params = Mapping[str, str | int | bool | None]

_CONNECT = 10.0
_ANSWER = 60.0
_RECONNECT = (0.2, 1.0, 2.0, 5.0, 10.0)
"""Seconds before each further try to go on with a broken stream; a stream that could be opened starts anew."""


class Transport:
    """Speaks to the server at `url` as the bearer of `token` ("" for nobody).

    It goes through the proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name.
    """

    def __init__(self, url: str, token: str = "", trust: Trust = SYSTEM) -> None:
        """ConfigInvalid if `trust` names what is no certificate."""
        self._verification = trust.verification()
        self.url = url.rstrip("/")
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        params: Params | None = None,
        send: msgspec.Struct | None = None,
        wait: float = 0.0,
    ) -> T:
        """Send `send` as JSON and return the answer as `kind`; the server may take `wait` seconds longer than usual."""
        body = None if send is None else msgspec.json.encode(send)
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self.decoded(
            await self.exchange(method, path, params=params, body=body, headers=headers, wait=wait), kind
        )

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        wait: float = 0.0,
    ) -> bytes:
        """Return the body of the answer, to which the server may take `wait` seconds longer than usual."""
        async with self.opened(method, path, params=params, body=body, headers=headers, wait=wait) as answer:
            return await answer.read()

    @asynccontextmanager
    async def opened(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        wait: float = 0.0,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer whose body is still to be read; an answer that is a problem is raised as the error it stands for."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_ANSWER + wait)
        streamed = body is not None and not isinstance(body, bytes)
        try:
            # aiohttp itself would wait for ever for leave to send a body.
            async with (
                asyncio.timeout(_ANSWER if streamed else None) as patience,
                self._open().request(
                    method,
                    self._address(path, params),
                    data=_payload(body, patience),
                    headers={**self._authorization, **(headers or {})},
                    timeout=timeout,
                    ssl=self._verification,
                    # The server looks at the token and the lease before gigabytes are sent in vain.
                    expect100=streamed,
                ) as answer,
            ):
                patience.reschedule(None)
                if answer.status >= 400:
                    raise error_from(answer.status, await answer.read())
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(_why(error)) from error

    async def follow(
        self, path: str, params: Params | None = None, last_id: str = ""
    ) -> AsyncIterator[streams.StreamEvent]:
        """The events of a stream, taken up again where it broke, until the server ends it for good."""
        failures = 0
        while True:
            headers = {"Accept": streams.MEDIA_TYPE} | ({streams.LAST_EVENT_ID: last_id} if last_id else {})
            try:
                async with self.opened("GET", path, params=params, headers=headers) as answer:
                    failures = 0
                    async for event in streams.decode(answer.content.iter_any()):
                        last_id = event.id or last_id
                        yield event
            except (ServerUnreachable, Unavailable):
                if failures == len(_RECONNECT):
                    raise
            await asyncio.sleep(_RECONNECT[min(failures, len(_RECONNECT) - 1)])
            failures += 1

    def decoded(self, body: bytes, kind: type[T]) -> T:
        """`body` as `kind`, or ServerUnreachable where something else than Quarters answered."""
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ServerUnreachable(
                f"What answers at {self.url} is not a Quarters server of this version."
            ) from error

    def _open(self) -> aiohttp.ClientSession:
        # A session belongs to the running loop, so it is made on first use and not where the client is wired.
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=True, auto_decompress=True)
        return self._session

    def _address(self, path: str, params: Params | None) -> URL:
        query = urlencode({key: _text(value) for key, value in (params or {}).items() if value is not None})
        try:
            return URL(f"{self.url}{path}" + (f"?{query}" if query else ""), encoded=True)
        except ValueError as error:
            raise self._unreachable(str(error)) from error

    def _unreachable(self, why: str) -> ServerUnreachable:
        return ServerUnreachable(
            f"The server at {self.url} does not answer ({why}); start one with `quarters up`, or set QUARTERS_URL."
        )


def below(*parts: str | int) -> str:
    """The path of an API resource from its parts, each of them escaped."""
    return "/api/v1/" + "/".join(quote(str(part), safe="") for part in parts)


def _why(error: aiohttp.ClientError | TimeoutError) -> str:
    if isinstance(error, aiohttp.InvalidURL):
        return "that is no address such as https://packages.example.org"
    # The numbers of TLS are not those of the system.
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error.os_error, ssl.SSLError):
        # Names that are not found have negative numbers, and words of their own.
        number = error.os_error.errno or 0
        return os.strerror(number) if number > 0 else error.os_error.strerror or str(error)
    return str(error) or type(error).__name__


def _payload(
    body: bytes | AsyncIterable[bytes] | None, patience: asyncio.Timeout
) -> io.BytesIO | AsyncIterable[bytes] | None:
    """`body` as aiohttp sends it piece by piece; `patience` ends once the server wants it."""

    async def wanted(pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        patience.reschedule(None)
        async for piece in pieces:
            yield piece

    if body is None:
        return None
    return io.BytesIO(body) if isinstance(body, bytes) else wanted(body)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
