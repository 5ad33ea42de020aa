"""Messages about a repository's snapshots: how they differ, what is promoted between repositories, what expires."""

from typing import Annotated

import msgspec
from msgspec import Meta

from quarters.model.repository import Snapshot


class SnapshotView(Snapshot, frozen=True, kw_only=True):
    """A snapshot with the names that it is pinned with."""

    pins: tuple[str, ...] = ()


class Rollback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Serve the content of an earlier snapshot again, as a new one: a number, date, time or pin."""

    snapshot: int | str


class NewPin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name for a snapshot, which is given by number, date, time or another pin."""

    snapshot: int | str


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A package that differs between two snapshots; the version is null on the side that does not list it."""

    arch: str
    name: str
    before: str | None
    after: str | None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What turns the snapshot `before` into the snapshot `after`; a rebuilt package has the same version on both sides."""

    repository: str
    before: int
    after: int
    added: tuple[Changed, ...]
    removed: tuple[Changed, ...]
    changed: tuple[Changed, ...]


class Removal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """List packages no more, for one architecture or for all that list them; earlier snapshots keep them."""

    packages: Annotated[tuple[str, ...], Meta(min_length=1)]
    arch: str | None = None


class Promotion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """List packages of this repository in another one as well; `packages` are pkgbases, groups or packages; none: all."""

    target: str
    packages: tuple[str, ...] = ()
    arch: str | None = None
    force: bool = False
    """Do it even if something would then lack what it depends on."""
    dry_run: bool = False
    """Only say what would be listed, and what would be missing."""


class Promoted(msgspec.Struct, frozen=True, kw_only=True):
    """What a promotion lists anew in its target, and as sentences what is missing there then; no snapshot for a dry run."""

    target: str
    packages: tuple[Changed, ...]
    missing: tuple[str, ...] = ()
    snapshot: Snapshot | None = None


class Cleaning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Forget what no rule keeps; a dry run only says what that would be."""

    dry_run: bool = False


class Cleaned(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshots that expired, how many package files only they listed, and what is freed.

    `unlisted` files stay for a while, so that nothing disappears that somebody is just about to list again; `freed` are
    the bytes of files that had waited long enough.
    """

    repository: str
    expired: tuple[int, ...]
    unlisted: int
    freed: int = 0
