"""A repository at an http(s) address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
from yarl import URL

from quarters.formats.format import Listing
from quarters.model.errors import OriginUnusable, PackageInvalid
from quarters.transfer.origins.origin import LONGEST_INDEX

_SIGNATURE = ".sig"
_LONGEST_SIGNATURE = 16 << 10
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
_PIECE = 1 << 20
_PAUSES = (0.5, 2.0)
"""Seconds before an index or a signature is asked for once more; what fails for good fails within a minute or so."""


class Web:
    """Fetches files."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def index(self, place: str, file_name: str) -> bytes:
        """The index file, or OriginUnusable."""
        found = await self._small(_address(place, file_name), LONGEST_INDEX)
        if found is None:
            raise OriginUnusable(
                f"There is no {file_name} at {place}; name the folder that has it, with $arch and $repo where they belong."
            )
        return found

    async def content(self, place: str, listing: Listing) -> AsyncIterator[bytes]:
        """The file as it arrives; OriginUnusable once it turns out to have another length."""
        address = _address(place, listing.file_name)
        left = listing.size
        async with self._opened(address) as answer:
            if answer.status != 200:
                raise OriginUnusable(f"{address} answers with the status {answer.status}.")
            async for piece in answer.content.iter_chunked(_PIECE):
                left -= len(piece)
                if left < 0:
                    break
                yield piece
        if left:
            raise PackageInvalid(f"It does not have the {listing.size} bytes that the index says.")

    async def signature(self, place: str, listing: Listing) -> bytes | None:
        """The signature in the index or, as a request less is better, only then the `.sig` file."""
        return listing.signature or await self._small(
            _address(place, f"{listing.file_name}{_SIGNATURE}"), _LONGEST_SIGNATURE
        )

    def is_signed(self, _place: str, listing: Listing) -> bool:
        """Whether the index has one."""
        return bool(listing.signature)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _small(self, address: str, longest: int) -> bytes | None:
        """A file that fits into memory, None where there is none; asked for again where that may help."""
        for pause in _PAUSES:
            try:
                return await self._once(address, longest)
            except OriginUnusable:
                await asyncio.sleep(pause)
        return await self._once(address, longest)

    async def _once(self, address: str, longest: int) -> bytes | None:
        async with self._opened(address) as answer:
            if answer.status in (404, 410):
                return None
            if answer.status != 200:
                raise OriginUnusable(f"{address} answers with the status {answer.status}.")
            content = bytearray()
            async for piece in answer.content.iter_chunked(_PIECE):
                content += piece
                if len(content) > longest:
                    raise OriginUnusable(f"{address} is longer than pacman takes it.")
            return bytes(content)

    @asynccontextmanager
    async def _opened(self, address: str) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            # Bytes are wanted as they are stored, however a server labels files that end in .gz.
            headers = {"Accept-Encoding": "identity"}
            self._session = aiohttp.ClientSession(trust_env=True, auto_decompress=False, headers=headers)
        try:
            async with self._session.get(URL(address, encoded=True), timeout=_TIMEOUT) as answer:
                yield answer
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            why = str(error) or type(error).__name__
            raise OriginUnusable(f"{address} cannot be fetched: {why.rstrip('.')}.") from error


def _address(place: str, file_name: str) -> str:
    return f"{place.rstrip('/')}/{quote(file_name, safe=':+@~')}"
