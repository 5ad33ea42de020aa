"""Messages about rebuilds: what is to be built again, which of it belongs together, what would be worth it."""

import msgspec

from quarters.model.build import State
from quarters.model.rebuild import Rebuild


class RebuildRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to build again, though nothing of it is outdated: all that is named in any of these ways."""

    packages: tuple[str, ...] = ()
    """Pkgbases or package names."""
    depends_on: tuple[str, ...] = ()
    """Libraries: a package that has them, or a soname (`libfoo.so`, `libfoo.so.1`, `libfoo.so=1-64`)."""
    suggested: bool = False
    """What links to libraries that are there no more."""
    everything: bool = False
    """Everything that is published and has a recipe."""
    repository: str | None = None
    arch: str | None = None
    bump: bool = True
    """Raise the pkgrel, as the repository's policy has it; without, what is built has to be the same as before."""
    together: bool = True
    """Publish all of it at once when the last build has succeeded, instead of each build when it has."""
    priority: int = 0


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A pkgbase that links to a library which is there no more, and the soname that took its place ("" for none)."""

    repository: str
    arch: str
    pkgbase: str
    library: str
    successor: str
    message: str
    recipe: bool
    """Whether a source has a recipe for it; otherwise whoever uploaded it has to build it again."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A build of a rebuild."""

    build: int
    pkgbase: str
    arch: str
    version: str
    state: State


class RebuildView(Rebuild, frozen=True, kw_only=True):
    """A rebuild with its builds, and one sentence on what it waits for or how it ended."""

    why: str = ""
    builds: tuple[Member, ...] = ()
