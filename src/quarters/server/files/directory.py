"""Looks files up in rows."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from quarters.model.errors import NotFound
from quarters.publishing.shelf import Shelf
from quarters.server.files.address import Asked
from quarters.server.files.found import ASK_AGAIN, FOR_EVER, Elsewhere, Found, held, stored
from quarters.storage import history, repositories
from quarters.storage.database import Database


class Directory:
    """Knows which file an address stands for at this moment."""

    def __init__(self, database: Database, shelf: Shelf) -> None:
        self._database = database
        self._shelf = shelf

    async def currents(self) -> Mapping[str, int]:
        """The served snapshot of every repository: while these stay, files stay."""
        return await self._database.read(repositories.currents)

    async def find(self, asked: Asked) -> Found:
        """The file, first looked for among the packages as most requests are for those; NotFound, FileNotFoundError."""
        repository, snapshot, arch, file = asked
        if isinstance(snapshot, datetime | str):
            # What they stand for may change, and whoever asks for several files wants them from one snapshot.
            return _of(await self._database.read(history.number, repository, snapshot), asked)
        try:
            path, _ = await self._shelf.package_file(repository, snapshot, arch, file)
        except NotFound:
            found = await self._database.read(repositories.get, repository)
        else:
            return stored(path, file, FOR_EVER)
        if arch not in found.arches:
            raise NotFound(f"{repository} is not for {arch}.")
        if not self._shelf.is_index(found, file):
            return held(await self._shelf.signature(repository, snapshot, arch, file), file)
        if snapshot is None:
            # An index and its signature come from one snapshot, even if there is a publish between the two: clients
            # ask for the signature beside the address to which they were sent (libalpm, dload.c).
            return _of(await self._database.read(repositories.current, repository), asked)
        return stored(await self._shelf.index_file(repository, snapshot, arch, file), file, ASK_AGAIN)


def _of(number: int, asked: Asked) -> Elsewhere:
    return Elsewhere(f"../../{asked.repository}@{number}/{asked.arch}/{quote(asked.file)}")
