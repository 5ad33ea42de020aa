"""A command of a build, and what it may use, whatever isolates it."""

import shlex
from pathlib import Path

import msgspec

BUILD_USER = 1000
"""The user and group that a build sees itself as."""


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that outlives builds, the builder's own by its `name`; it is seen at `point` in the root."""

    name: str
    point: str
    writable: bool = False


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command with what it may use: the network, root's rights over the root's files."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    folder: str = "/"
    network: bool = False
    installing: bool = False
    downloading: bool = False
    """It changes nothing in the root but what pacman has downloaded: packages, and lists of them."""
    local_sockets: bool = True
    """Whether it may open sockets of the machine itself, which are reached by the network's way (unix(7), abstract)."""
    stores: tuple[Store, ...] = ()
    stdin: Path | None = None
    title: str = ""

    @property
    def shown(self) -> str:
        """As one would type it."""
        return self.title or shlex.join(self.arguments)
