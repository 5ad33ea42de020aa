"""What Quarters asks of a package format; nothing here knows a word of pacman or xbps."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from quarters.model.recipe import Dependency, Provision, Recipe
from quarters.model.repository import PackageFile, Published


class Format(Protocol):
    """A package format: pure functions over values and over files already on this disk."""

    name: str

    def compare(self, left: str, right: str) -> int:
        """Order two versions as the format's own tool does: negative, zero or positive."""
        ...

    def parse_dependency(self, text: str) -> Dependency:
        """Read one dependency as recipes write it; Invalid if it is none."""
        ...

    def satisfies(self, provision: Provision, dependency: Dependency) -> bool:
        """Whether something that provides `provision` meets `dependency`, by the client's own rules."""
        ...

    def bumped(self, version: str, bump: int) -> str:
        """The version that the `bump`-th rebuild of `version` bears, 0 being `version` itself."""
        ...

    def parse_recipe(self, text: str) -> Recipe:
        """Read a recipe's metadata (for pacman the text of .SRCINFO); RecipeInvalid with the line if it is malformed."""
        ...

    def read_package(self, path: Path, file_name: str) -> PackageFile:
        """Read and verify the package file at `path` that is to be called `file_name`; PackageInvalid says what is wrong."""
        ...

    def accepts_file_name(self, file_name: str) -> bool:
        """Whether `file_name` looks like a package of this format (path-safe, known suffix)."""
        ...

    def index(self, repository: str, packages: Iterable[Mapping[str, str]]) -> dict[str, bytes]:
        """The index files of one architecture, by file name, from the packages' `PackageFile.index` parts."""
        ...

    def index_aliases(self, repository: str) -> dict[str, str]:
        """File names under which clients may also ask for an index file (`core.db` for `core.db.tar.gz`)."""
        ...

    def read_index(self, data: bytes) -> list[Published]:
        """The packages that an upstream's index lists; Invalid if it cannot be read."""
        ...

    def index_url(self, server: str, repository: str, arch: str) -> str:
        """Where an upstream's index is, `server` being as its clients configure it."""
        ...


Formats = Mapping[str, Format]
Compare = Callable[[str, str], int]
