"""What Quarters asks of a package format; nothing here knows a word of pacman or xbps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from quarters.model.build import Bump
from quarters.model.library import Library
from quarters.model.recipe import Dependency, Provision, Recipe
from quarters.model.repository import Compression, PackageFile, Published


class Share(NamedTuple):
    """Some packages' stretch of one index file, compressed for itself, and how long it is when unpacked."""

    length: int
    packed: bytes | memoryview


class Listing(NamedTuple):
    """What an index says of a package file; `sha256` and `signature` are empty where it does not give them."""

    file_name: str
    name: str
    version: str
    arch: str
    size: int
    sha256: str
    signature: bytes


class Description(NamedTuple):
    """What else a package's index parts tell people; dependencies are as the format writes them."""

    groups: tuple[str, ...]
    licenses: tuple[str, ...]
    conflicts: tuple[str, ...]
    replaces: tuple[str, ...]
    optional: tuple[str, ...]
    make: tuple[str, ...]
    check: tuple[str, ...]
    files: tuple[str, ...]


class Keyring(NamedTuple):
    """Public keys, binary by fingerprint, that clients of the repository `name` are to trust or to trust no more."""

    name: str
    version: str
    made_at: int
    trusted: Mapping[str, bytes]
    revoked: Mapping[str, bytes]


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

    def library_provision(self, library: Library) -> Provision:
        """What a package that provides `library` offers to dependencies on it, as recipes write them."""
        ...

    def bumped(self, version: str, bump: int, bumping: Bump = Bump.MINOR) -> str:
        """The version that the `bump`-th rebuild of `version` bears, 0 being `version` itself."""
        ...

    def rereleased(self, version: str, like: str) -> str:
        """`version` with the release number of the version `like`."""
        ...

    def parse_recipe(self, text: str) -> Recipe:
        """Read a recipe's metadata (for pacman the text of .SRCINFO); RecipeInvalid with the line if it is malformed."""
        ...

    def read_package(self, path: Path, file_name: str) -> PackageFile:
        """Read and verify the package file at `path` that is to be called `file_name`; PackageInvalid says what is wrong."""
        ...

    def identify_package(self, path: Path) -> PackageFile:
        """Read and verify the package file at `path` whose name was lost; PackageInvalid says what is wrong."""
        ...

    def accepts_file_name(self, file_name: str) -> bool:
        """Whether `file_name` looks like a package of this format (path-safe, known suffix)."""
        ...

    def index_files(self, repository: str, compression: Compression) -> tuple[str, ...]:
        """Names of the files that are the index of one architecture."""
        ...

    def index_aliases(self, repository: str, compression: Compression) -> dict[str, str]:
        """File names under which clients may also ask for an index file (`core.db` for `core.db.tar.gz`)."""
        ...

    def pack(self, packages: Sequence[Mapping[str, str]], compression: Compression) -> tuple[Share, ...]:
        """The stretch of each of `index_files` that lists `packages`, from their `PackageFile.index` parts in order.

        Such stretches, one behind the other within `enclosure`, are an index file.
        """
        ...

    def enclosure(self, length: int, compression: Compression) -> tuple[bytes, bytes]:
        """What an index file begins and ends with around stretches that unpack to `length` bytes."""
        ...

    def index_content(self, data: bytes) -> Iterator[bytes]:
        """What an index file unpacks to, which does not depend on the compressor's version; Invalid if it is damaged."""
        ...

    def keyring_package(self, keyring: Keyring) -> tuple[str, bytes]:
        """Name and content of a package file whose installer trusts these keys; the same bytes for the same keyring."""
        ...

    def read_index(self, data: bytes) -> list[Published]:
        """The packages that an upstream's index lists; Invalid if it cannot be read."""
        ...

    def read_listing(self, data: bytes) -> list[Listing]:
        """The package files that an index lists, wherever it comes from; Invalid if it cannot be read."""
        ...

    def describe(self, parts: Mapping[str, str]) -> Description:
        """What `PackageFile.index` tells people."""
        ...

    def index_url(self, server: str, repository: str, arch: str) -> str:
        """Where an upstream's index is, `server` being as its clients configure it."""
        ...


Formats = Mapping[str, Format]
Compare = Callable[[str, str], int]
