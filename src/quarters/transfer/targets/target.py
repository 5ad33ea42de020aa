"""What an export asks of the place that it writes to, and what it leaves there to know it again."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from quarters.model.errors import TargetUnusable

STATE = "export.json"
"""The file that makes a place an export; what is not in it is not ours."""

INDEXES = "indexes"
SIGNATURE = ".sig"


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A package file of an export; `pending` while it may not be there whole, `gone` since it is listed no more."""

    size: int
    sha256: str
    pending: bool = False
    gone: datetime | None = None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What an export is of, which index it serves, and every package file (`ARCH/FILE`) that was ever put there."""

    repository: str
    snapshot: int = 0
    served: str = ""
    """Name of the index that is served, below `indexes`."""
    modified: int = 0
    """Since when its clients shall think that it stands, in seconds since 1970; rises with every export."""
    signers: str = ""
    """Stands for the keys whose signatures lie beside the packages."""
    files: dict[str, Kept] = {}


class Target(Protocol):
    """A place for files, written to by nobody else meanwhile; names are relative to it, `/` between their parts."""

    def opened(self) -> AbstractAsyncContextManager[Path]:
        """Make sure that it can be used; gives a folder of this machine for what is on its way. TargetUnusable."""
        ...

    async def state(self) -> State | None:
        """What is noted there; None for a place where nothing is yet, TargetUnusable for one that is no export."""
        ...

    async def sizes(self) -> Mapping[str, int]:
        """Length of every file that is there."""
        ...

    async def put(self, names: Sequence[str]) -> None:
        """Put files there from the folder, each whole or not at all, durably where that can be had."""
        ...

    async def serve(self, index: str, names: Collection[str]) -> None:
        """Let readers find `names` (`ARCH/FILE`) of the index `index`, which was put there, from now on."""
        ...

    async def note(self, state: State) -> None:
        """Replace what is noted."""
        ...

    async def remove(self, names: Collection[str]) -> None:
        """Remove files, if they are there."""
        ...


def encoded(state: State) -> bytes:
    """The content of `STATE`."""
    return msgspec.json.format(msgspec.json.encode(state), indent=0)


def decoded(data: bytes, location: str) -> State:
    """The state that was written there; TargetUnusable if it is none."""
    try:
        return msgspec.json.decode(data, type=State)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise TargetUnusable(f"{STATE} in {location} was not written by an export.") from None


def foreign(location: str) -> TargetUnusable:
    """Somebody else's files are there."""
    return TargetUnusable(
        f"{location} holds files and no {STATE}, so it is no export; choose an empty or a new place."
    )
