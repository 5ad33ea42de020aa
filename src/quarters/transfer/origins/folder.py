"""A repository in a folder of this machine."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from quarters.formats.format import Listing
from quarters.model.errors import OriginUnusable, PackageInvalid
from quarters.protocol.client.files import pieces
from quarters.transfer.origins.origin import LONGEST_INDEX

_SIGNATURE = ".sig"


class Folder:
    """Reads files."""

    async def index(self, place: str, file_name: str) -> bytes:
        """The index file, or OriginUnusable that says which ones there are instead."""
        path = Path(place) / file_name
        try:
            if path.stat().st_size > LONGEST_INDEX:
                raise OriginUnusable(f"{path} is longer than pacman takes an index.")
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            raise OriginUnusable(_missing(Path(place), file_name)) from None
        except OSError as error:
            raise OriginUnusable(f"{path} cannot be read: {error.strerror}.") from error

    async def content(self, place: str, listing: Listing) -> AsyncIterator[bytes]:
        """The file, once its length was found to be right."""
        path = Path(place) / listing.file_name
        try:
            if (size := path.stat().st_size) != listing.size:
                raise PackageInvalid(f"It has {size} bytes, and the index says {listing.size}.")
            async for piece in pieces(path):
                yield piece
        except OSError as error:
            raise OriginUnusable(f"{path} cannot be read: {error.strerror}.") from error

    async def signature(self, place: str, listing: Listing) -> bytes | None:
        """What is in the `.sig` file or in the index."""
        try:
            return _signature(place, listing).read_bytes()
        except FileNotFoundError:
            return listing.signature or None
        except OSError as error:
            raise OriginUnusable(f"Its signature cannot be read: {error.strerror}.") from error

    def is_signed(self, place: str, listing: Listing) -> bool:
        """Whether there is one of them."""
        return bool(listing.signature) or _signature(place, listing).exists()

    async def close(self) -> None:
        """Nothing is held."""


def _signature(place: str, listing: Listing) -> Path:
    return Path(place) / f"{listing.file_name}{_SIGNATURE}"


def _missing(folder: Path, file_name: str) -> str:
    if not folder.is_dir():
        return f"There is no folder {folder}."
    others = sorted(it.name for it in folder.glob("*.db"))
    hint = (
        f"it has {', '.join(others)}: say --name {others[0].removesuffix('.db')}"
        if others
        else "name the folder that has it, with $arch where that depends on the architecture"
    )
    return f"There is no {file_name} in {folder}; {hint}."
