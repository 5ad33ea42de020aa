"""What every kind of upstream offers, so that one run can look at them all."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from quarters.model.recipe import Configuration


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe of the tree: its folder `path` stands at the git tree `tree` of the mirror."""

    path: str
    pkgbase: str
    tree: str
    configuration: Configuration
    version: str = ""
    """The full version that it says, "" while it cannot be read."""
    sources: tuple[str, ...] = ()
    marks: Mapping[str, str] = {}
    """What was last seen of its upstreams."""

    @property
    def pkgver(self) -> str:
        """The version without epoch and pkgrel."""
        return self.version.rpartition(":")[2].rpartition("-")[0]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What an upstream has: marks to remember once that is dealt with, and the folder as it would be ("" as it is)."""

    marks: Mapping[str, str] = {}
    tree: str = ""
    problem: str = ""
    """What is wrong with it for as long as the upstream says what it says now."""
    moved: str = ""
    """Why the recipe is to be built though its folder stays as it is, "" if it is not."""
    maintainers: tuple[str, ...] = ()
    author: str = ""
    always_reviewed: bool = False


NOTHING = Finding()


class Upstream(Protocol):
    """A kind of upstream."""

    def concerns(self, subject: Subject) -> bool:
        """Whether `subject` follows an upstream of this kind."""
        ...

    async def look(self, subject: Subject) -> Finding:
        """What it has that `subject` has not; QuartersError, in a sentence, where that cannot be told."""
        ...
