"""Messages about one package: all that a page about it shows."""

from datetime import datetime

import msgspec

from quarters.protocol.resources import PackageView


class PackageVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A package that is or was listed under a name, from the snapshot `since` until just before `until` (null: still)."""

    version: str
    sha256: str
    since: int
    until: int | None
    added_at: datetime
    build: int | None


class PackageOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """What a package was built from: the recipe in the folder `path` of a source at a revision; `log` is a path here."""

    build: int
    source: str
    revision: str
    path: str
    packager: str
    requester: str
    builder: str | None
    finished_at: datetime | None
    log: str


class PackageDetails(PackageView, frozen=True, kw_only=True):
    """All about a package but its files; `origin` is null for an uploaded one, or once its build is forgotten."""

    url: str
    build_date: datetime | None
    licenses: tuple[str, ...]
    groups: tuple[str, ...]
    conflicts: tuple[str, ...]
    replaces: tuple[str, ...]
    optdepends: tuple[str, ...]
    makedepends: tuple[str, ...]
    checkdepends: tuple[str, ...]
    required_by: tuple[str, ...]
    """Packages of the same repository that depend on it or on what it provides, the first 500 by name."""
    required: int
    """How many they are."""
    versions: tuple[PackageVersion, ...]
    """What was listed under its name, the newest 100 first; snapshots that expired are forgotten."""
    signed_by: tuple[str, ...]
    """Fingerprints of the keys whose signatures there are."""
    files: int
    """How many paths it has."""
    origin: PackageOrigin | None


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """The paths of a package, folders with a slash at the end; what a terminal cannot show is escaped."""

    files: tuple[str, ...]
