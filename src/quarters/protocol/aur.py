"""Messages about the Arch User Repository: what is found there, and what adding packages of it would bring."""

from datetime import datetime

import msgspec

from quarters.model.source import Source


class AurFound(msgspec.Struct, frozen=True, kw_only=True):
    """A package of the AUR; `maintainer` is "" for an orphan, `outdated_since` None if nobody flagged it."""

    name: str
    pkgbase: str
    version: str
    description: str
    maintainer: str
    votes: int
    popularity: float
    modified_at: datetime
    outdated_since: datetime | None = None


class AurWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Packages to follow; `source` is the source of kind `aur` that is to do so, made where it is missing."""

    packages: tuple[str, ...]
    repository: str
    source: str = "aur"
    dependencies: bool = True
    """Whether to add what they need and nothing else has."""
    dry_run: bool = False


class AurAddition(AurFound, frozen=True, kw_only=True):
    """A package that is to be followed; `needed_by` says for which other one, "" for what was asked for."""

    needed_by: str = ""


class AurAdded(msgspec.Struct, frozen=True, kw_only=True):
    """What a wish comes to: `unresolved` are needs that nobody can satisfy, each with the package that has it.

    `source` is the source as it is now, None for a dry run.
    """

    additions: tuple[AurAddition, ...]
    already: tuple[str, ...] = ()
    unresolved: tuple[tuple[str, str], ...] = ()
    source: Source | None = None
