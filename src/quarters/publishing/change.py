"""What a publish is to change in a repository, gathered before anything is written."""

from collections.abc import Collection, Iterable, Mapping
from typing import Self

import msgspec
from sqlalchemy import Connection

from quarters.formats.format import Format
from quarters.model.errors import PublishRejected
from quarters.model.repository import PackageFile, Repository
from quarters.publishing.verify import Incumbent, arches_of, supersedes
from quarters.storage import packages
from quarters.storage.packages import Addition, Listed
from quarters.storage.snapshots import Entry


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The difference between two snapshots: `gone` (architecture, name) was listed, and what `put` replaces is in it."""

    put: tuple[Entry, ...] = ()
    gone: frozenset[tuple[str, str]] = frozenset()
    additions: tuple[Addition, ...] = ()

    @property
    def growth(self) -> int:
        """By how many packages the second snapshot lists more than the first."""
        return len(self.put) - len(self.gone)

    def touches(self, arch: str) -> bool:
        """Whether the index of `arch` is another one afterwards."""
        return any(entry.arch == arch for entry in self.put) or any(its == arch for its, _ in self.gone)


def between(old: Iterable[Entry], new: Iterable[Entry]) -> Change:
    """What turns the content `old` into `new`."""
    before, after = set(old), set(new)
    return Change(
        put=tuple(sorted(after - before)),
        gone=frozenset((entry.arch, entry.name) for entry in before - after),
    )


class Gathering:
    """Collects packages for one repository, each checked against what it lists and what was accepted before."""

    def __init__(
        self,
        repository: Repository,
        listed: Iterable[Listed],
        contents: Mapping[tuple[str, str], Collection[str]],
        format: Format,
    ) -> None:
        """`contents` are all that is known of what bore a file name, by architecture and that name."""
        self._repository = repository
        self._format = format
        self._listed = {(it.arch, it.file.name): _incumbent(it.file, it.fingerprint) for it in listed}
        self._contents = contents
        self._accepted: dict[tuple[str, str], Incumbent] = {}

    @classmethod
    def of(
        cls, connection: Connection, repository: Repository, names: Collection[str], format: Format
    ) -> Self:
        """For packages of these names."""
        name, arches = repository.name, repository.arches
        listed = packages.standing(connection, name, names, arches)
        return cls(repository, listed, packages.contents(connection, name, arches, names), format)

    def accept(
        self, files: Iterable[PackageFile], fingerprint: str = "", *, allow_downgrade: bool = False
    ) -> frozenset[str]:
        """Take all of `files` or, with PublishRejected, none; returns the sha256 of those that become listed."""
        taken: dict[tuple[str, str], Incumbent] = {}
        for file in files:
            for arch in arches_of(file, self._repository.arches, self._repository.name):
                incumbent = taken.get((arch, file.name)) or self._incumbent(arch, file.name)
                if supersedes(file, fingerprint, incumbent, self._format, allow_downgrade=allow_downgrade):
                    self._check_name(arch, file)
                    taken[arch, file.name] = _incumbent(file, fingerprint)
        self._accepted |= taken
        return frozenset(it.sha256 for it in taken.values())

    def list(self, package: Listed, *, allow_downgrade: bool = False) -> None:
        """Take what another repository lists, for the same architecture; PublishRejected."""
        if package.arch not in self._repository.arches:
            raise PublishRejected(f"{self._repository.name} has no {package.arch}.")
        incumbent = self._incumbent(package.arch, package.file.name)
        if supersedes(
            package.file, package.fingerprint, incumbent, self._format, allow_downgrade=allow_downgrade
        ):
            self._check_name(package.arch, package.file)
            self._accepted[package.arch, package.file.name] = _incumbent(package.file, package.fingerprint)

    def change(self, additions: Iterable[Addition]) -> Change:
        """All that was accepted; `additions` are the files among it that are new here."""
        put = tuple(sorted(Entry(*place, it.sha256) for place, it in self._accepted.items()))
        wanted = {entry.sha256 for entry in put}
        return Change(
            put=put,
            gone=frozenset(self._accepted.keys() & self._listed.keys()),
            additions=tuple(it for it in additions if it.file.sha256 in wanted),
        )

    def _check_name(self, arch: str, file: PackageFile) -> None:
        """Clients and caches keep a file by its name: PublishRejected if that was another one's."""
        if file.sha256 not in self._contents.get((arch, file.file_name), (file.sha256,)):
            raise PublishRejected(
                f"{file.name} {file.version} was published before with other content, which clients may have; "
                "raise its release number."
            )

    def _incumbent(self, arch: str, name: str) -> Incumbent | None:
        return self._accepted.get((arch, name)) or self._listed.get((arch, name))


def _incumbent(file: PackageFile, fingerprint: str) -> Incumbent:
    return Incumbent(version=file.version, arch=file.arch, sha256=file.sha256, fingerprint=fingerprint)
