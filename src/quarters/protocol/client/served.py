"""What clients install from, `/repo/…`, as a client of the API reads it."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from quarters.protocol.client.files import store
from quarters.protocol.client.transport import Transport


class Fetched(NamedTuple):
    """A file's content, and since when its clients shall think that it stands."""

    data: bytes
    modified_at: datetime


class Served:
    """Files of one snapshot, which are always the same; NotFound once the snapshot has expired."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def read(self, repository: str, snapshot: int, arch: str, file_name: str) -> Fetched:
        """A file that fits into memory."""
        async with self._transport.opened("GET", _path(repository, snapshot, arch, file_name)) as answer:
            modified = answer.headers.get("Last-Modified")
            at = parsedate_to_datetime(modified) if modified else datetime.now(UTC)
            return Fetched(await answer.read(), at)

    async def fetch(self, repository: str, snapshot: int, arch: str, file_name: str, path: Path) -> None:
        """Write a file of any size to `path`."""
        async with self._transport.opened("GET", _path(repository, snapshot, arch, file_name)) as answer:
            await store(answer.content.iter_any(), path)


def _path(repository: str, snapshot: int, arch: str, file_name: str) -> str:
    return f"/repo/{repository}@{snapshot}/{arch}/{quote(file_name)}"
