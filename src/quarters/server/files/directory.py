"""Looks files up in rows."""

from collections.abc import Mapping
from urllib.parse import quote

from quarters.model.errors import NotFound
from quarters.publishing.shelf import Shelf
from quarters.server.files.address import Asked
from quarters.server.files.found import ASK_AGAIN, FOR_EVER, Elsewhere, Found, held, stored
from quarters.storage import repositories
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
        try:
            path, _ = await self._shelf.package_file(*asked)
        except NotFound:
            repository = await self._database.read(repositories.get, asked.repository)
        else:
            return stored(path, asked.file, FOR_EVER)
        if asked.arch not in repository.arches:
            raise NotFound(f"{asked.repository} is not for {asked.arch}.")
        if not self._shelf.is_index(repository, asked.file):
            return held(await self._shelf.signature(*asked), asked.file)
        if asked.snapshot is None:
            served = await self._database.read(repositories.current, asked.repository)
            # An index and its signature come from one snapshot, even if there is a publish between the two: clients
            # ask for the signature beside the address to which they were sent (libalpm, dload.c).
            return Elsewhere(f"../../{asked.repository}@{served}/{asked.arch}/{quote(asked.file)}")
        return stored(await self._shelf.index_file(*asked), asked.file, ASK_AGAIN)
