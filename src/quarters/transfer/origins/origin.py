"""What an import asks of the place that it reads."""

from collections.abc import AsyncIterator
from typing import Protocol

from quarters.formats.format import Listing

LONGEST_INDEX = 128 << 20
"""Bytes; pacman takes no longer ones."""


class Origin(Protocol):
    """A repository as its clients find it: an index, package files and signatures beside each other in a `place`."""

    async def index(self, place: str, file_name: str) -> bytes:
        """An index file; OriginUnusable says what is wrong with the place."""
        ...

    def content(self, place: str, listing: Listing) -> AsyncIterator[bytes]:
        """A package file, piece by piece and exactly as long as it is listed; OriginUnusable, PackageInvalid."""
        ...

    async def signature(self, place: str, listing: Listing) -> bytes | None:
        """The detached signature beside a package file or, where there is none, the one in the index."""
        ...

    def is_signed(self, place: str, listing: Listing) -> bool:
        """Whether a package has a signature, as far as that can be said without asking another machine."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
