"""What a new server needs: a token for whoever runs it and, for `up`, a repository and a builder's token."""

import platform
from pathlib import Path

from quarters.cli.connection import FILE_NAME, Connection, read, write, write_private
from quarters.model.repository import Repository
from quarters.model.token import Scope
from quarters.protocol.resources import NewRepository
from quarters.wiring.server import RunningServer

_REPOSITORY = "quarters"
_BUILDER_TOKEN = "builder.token"  # noqa: S105 - a file's name
# What the kernel calls a machine, where Arch's ports call it something else.
_ARCHES = {"armv7l": "armv7h", "i386": "i686", "i586": "i686"}


async def introduce(server: RunningServer, data: Path, *others: Path) -> Path:
    """Leave in the data folder, and at `others`, how the command line reaches the server as its administrator."""
    known = read(data / FILE_NAME)
    secret = await server.services.tokens.adopt("admin", Scope.ADMIN, known.token if known else None)
    write(Connection(server.url, secret), data / FILE_NAME, *others)
    return data.absolute() / FILE_NAME


async def builder_token(server: RunningServer, data: Path, name: str) -> Path:
    """A file that holds the token of the builder `name`, which is made if it is not there yet."""
    path = data / _BUILDER_TOKEN
    known = path.read_text().strip() if path.exists() else None
    secret = await server.services.tokens.adopt(name, Scope.BUILDER, known)
    write_private(path, f"{secret}\n".encode())
    return path


async def default_repository(server: RunningServer) -> Repository:
    """The first repository by name; the very first is made for this machine's architecture."""
    found = (await server.services.repositories.list(1, None)).items
    if found:
        return found[0]
    machine = platform.machine()
    new = NewRepository(name=_REPOSITORY, arches=(_ARCHES.get(machine, machine),))
    return await server.services.repositories.create(new)
