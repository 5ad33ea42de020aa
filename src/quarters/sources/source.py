"""What every kind of source offers, so that one piece of code can follow them all."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from quarters.model.errors import Unavailable
from quarters.model.source import Source


class SourceUnreachable(Unavailable):
    """The source cannot be read."""


class Folder(msgspec.Struct, frozen=True):
    """A recipe's files that were asked for, those that exist; or the problem that keeps them from being read."""

    files: Mapping[str, bytes] = {}
    problem: str = ""


class Wanted(msgspec.Struct, frozen=True):
    """Which files make a recipe: a folder is one if it holds `marker`; `others` are read with it where they exist."""

    marker: str
    others: tuple[str, ...] = ()
    limit: int = 1 << 20
    """Bytes that each of them may have at most."""


class RecipeSource(Protocol):
    """One source, with what it keeps on disk. A revision that it has returned once stays readable.

    Every method raises SourceUnreachable with a sentence when it cannot answer.
    """

    async def fetch(self) -> str:
        """Bring in what is new; the revision that it stands at now."""
        ...

    async def listing(self, revision: str) -> dict[str, str]:
        """The path of every recipe's folder with a fingerprint of everything in it."""
        ...

    async def read(self, revision: str, paths: Sequence[str]) -> dict[str, Folder]:
        """The files that make a recipe, of each of `paths`."""
        ...

    async def authors(self, revision: str, paths: Sequence[str], since: str) -> dict[str, str]:
        """Who last changed each of `paths`, as `Name <mail>`; `since` is the revision known before, "" for none."""
        ...

    async def archive(self, revision: str, path: str) -> bytes:
        """A folder as a tar archive, its files at the top; the same bytes for the same files. RecipeInvalid: too large."""
        ...


class Kind(Protocol):
    """A kind of source: it knows which settings make sense, and opens sources of its kind."""

    def check(self, source: Source) -> None:
        """Raise Invalid, in a sentence, if `source` cannot be one of this kind."""
        ...

    def open(self, source: Source, folder: Path, wanted: Wanted) -> RecipeSource:
        """The source, which may keep what it fetched in `folder` (made when it is needed)."""
        ...


Kinds = Mapping[str, Kind]
