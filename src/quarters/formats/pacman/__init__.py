"""Pacman's world: PKGBUILD metadata, `.pkg.tar` packages, `.db` indexes, and alpm's idea of a version."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from quarters.formats.format import Description, Keyring, Listing, Share
from quarters.formats.pacman import dependency, index, keyring, libraries, package, srcinfo, version
from quarters.formats.pacman.package import Limits
from quarters.model.build import Bump
from quarters.model.library import Library
from quarters.model.recipe import Dependency, Provision, Recipe
from quarters.model.repository import Compression, PackageFile, Published

__all__ = ["Limits", "Pacman"]


class Pacman:
    """The Format of pacman 6 and 7."""

    name: str = "pacman"

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()

    def compare(self, left: str, right: str) -> int:
        """Order two versions as vercmp(8) does."""
        return version.compare(left, right)

    def parse_dependency(self, text: str) -> Dependency:
        """Read one entry of `depends`; Invalid if it is none."""
        return dependency.parse_dependency(text)

    def satisfies(self, provision: Provision, dependency_: Dependency) -> bool:
        """Whether `provision` meets `dependency_` by libalpm's rules."""
        return dependency.satisfies(provision, dependency_)

    def library_provision(self, library: Library) -> Provision:
        """`libfoo.so=1-64` for `libfoo.so.1` of 64 bits."""
        return libraries.provision(library)

    def bumped(self, version_: str, bump: int, bumping: Bump = Bump.MINOR) -> str:
        """The version of the `bump`-th rebuild: `1.0-1` becomes `1.0-1.n`, or `1.0-(1+n)`."""
        return version.bumped(version_, bump, whole=bumping is Bump.WHOLE)

    def rereleased(self, version_: str, like: str) -> str:
        """`version_` with the pkgrel of `like`."""
        return f"{version_.rpartition('-')[0]}-{like.rpartition('-')[2]}"

    def parse_recipe(self, text: str) -> Recipe:
        """Read the text of a .SRCINFO; RecipeInvalid names the line."""
        return srcinfo.parse_srcinfo(text)

    def read_package(self, path: Path, file_name: str) -> PackageFile:
        """Read and verify a package file from its first byte to its last; PackageInvalid says what is wrong."""
        return package.read_package(path, file_name, self._limits)

    def identify_package(self, path: Path) -> PackageFile:
        """Read and verify a package whose name is lost: .PKGINFO has all of it but the compression, which is seen."""
        return package.identify_package(path, self._limits)

    def accepts_file_name(self, file_name: str) -> bool:
        """Whether `file_name` has the shape `name-version-release-arch.pkg.tar[.gz|.xz|.zst]`."""
        return package.accepts_file_name(file_name)

    def index_files(self, repository: str, compression: Compression) -> tuple[str, ...]:
        """`X.db.tar.gz` and `X.files.tar.gz`, or `.zst`."""
        return index.files(repository, compression)

    def index_aliases(self, repository: str, compression: Compression) -> dict[str, str]:
        """`X.db` and `X.files`, the names that pacman asks for."""
        return index.aliases(repository, compression)

    def pack(self, packages: Sequence[Mapping[str, str]], compression: Compression) -> tuple[Share, ...]:
        """Entries as repo-add writes them, without %PGPSIG% (pacman fetches the .sig): a gzip member or zstd frame each."""
        return index.pack(packages, compression)

    def enclosure(self, length: int, compression: Compression) -> tuple[bytes, bytes]:
        """Nothing before, and tar's end behind."""
        return b"", index.end(length, compression)

    def index_content(self, data: bytes) -> Iterator[bytes]:
        """The tar archive within an index file."""
        return index.content(data)

    def keyring_package(self, keyring_: Keyring) -> tuple[str, bytes]:
        """`NAME-keyring-VERSION-any.pkg.tar.zst`, which runs `pacman-key --populate` when it is installed."""
        return keyring.file_name(keyring_), keyring.package(keyring_)

    def read_index(self, data: bytes) -> list[Published]:
        """The packages of a `.db`, however it is compressed."""
        return index.read_index(data)

    def read_listing(self, data: bytes) -> list[Listing]:
        """The package files of a `.db`, with the signatures that it holds (%PGPSIG%)."""
        return index.read_listing(data)

    def describe(self, parts: Mapping[str, str]) -> Description:
        """The fields of `desc` that nothing but people reads, and the paths in `files`."""
        return index.describe(parts)

    def index_url(self, server: str, repository: str, arch: str) -> str:
        """Where pacman finds the `.db`, `server` being a Server line of pacman.conf(5)."""
        folder = server.replace("$repo", repository).replace("$arch", arch)
        return f"{folder.rstrip('/')}/{repository}.db"
