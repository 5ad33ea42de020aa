"""What every kind of source offers, so that one piece of code can follow them all."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from quarters.model.source import Source
from quarters.sources.mirror import Mirror


class Fetched(msgspec.Struct, frozen=True):
    """The revision of the mirror that a source stands at, and what could not be brought in, in sentences ("" if all was)."""

    revision: str
    problem: str = ""
    history: bool = False
    """Whether the revision is a commit that people made, whose messages may ask for something."""
    names: Mapping[str, tuple[str, ...]] = {}
    """By folder, the names that the source's settings ask for and that it stands for, where they name packages."""
    maintainers: Mapping[str, tuple[str, ...]] = {}
    """By folder, the accounts that may change it, where the origin tells."""


class Kind(Protocol):
    """A kind of source: it knows which settings make sense, and brings recipes into a mirror, a folder each.

    A plug-in is a callable that takes the sources' settings and returns one, named by an entry point `quarters.sources`.
    """

    def check(self, source: Source) -> None:
        """Raise Invalid, in a sentence, if `source` cannot be one of this kind."""
        ...

    async def fetch(self, source: Source, mirror: Mirror) -> Fetched:
        """Bring in what is new; SourceUnreachable, in a sentence, if nothing can be said about the source."""
        ...


Kinds = Mapping[str, Kind]
"""The kinds of sources that there are, by the name that a source's settings give."""
