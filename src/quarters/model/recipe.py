"""What a recipe says about one pkgbase, and where it came from; the same for every format."""

import re
from enum import StrEnum

import msgspec

# PKGBUILD(5), "USING VCS SOURCES": `git+https://…`, also `lp:`; a name may stand before (`name::url`).
_REMOTE = re.compile(r"(?:[^:]*::)?(?:(?:bzr|fossil|git|hg|svn)\+|lp:|[a-z][a-z0-9+.-]*://)")


class Dependency(msgspec.Struct, frozen=True):
    """A name with an optional version constraint: `op` is one of "", "<", "<=", "=", ">=", ">"."""

    name: str
    op: str = ""
    version: str = ""

    def __str__(self) -> str:
        """As recipes write it: `glibc>=2.38`."""
        return f"{self.name}{self.op}{self.version}"


class Provision(msgspec.Struct, frozen=True):
    """A name that a package can stand for; an empty version satisfies no versioned dependency (pacman)."""

    name: str
    version: str = ""

    def __str__(self) -> str:
        """As recipes write it: `libfoo.so=1-64`."""
        return f"{self.name}={self.version}" if self.version else self.name


class NeedKind(StrEnum):
    """When a dependency is needed."""

    DEPENDS = "depends"
    MAKEDEPENDS = "makedepends"
    CHECKDEPENDS = "checkdepends"


class Need(msgspec.Struct, frozen=True):
    """One dependency of a recipe: `output` is the split package it belongs to ("" for the base), `arch` "" for all."""

    dependency: Dependency
    kind: NeedKind
    output: str = ""
    arch: str = ""


class Offer(msgspec.Struct, frozen=True):
    """One `provides` of an output; `arch` is "" where it holds for every architecture."""

    provision: Provision
    arch: str = ""


class Output(msgspec.Struct, frozen=True):
    """A package that a recipe makes; `arches` holds "any" for architecture-independent ones."""

    name: str
    arches: tuple[str, ...]
    description: str = ""
    offers: tuple[Offer, ...] = ()


SKIP_CODE = 123
"""As hooks in Chaotic-AUR's trees say it (CI_CODE_SKIP)."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """How a recipe's folder wants it to be built, beside the recipe itself; 0 leaves it to what is measured or set."""

    build_class: int = 0
    """Builders of this class or a higher one may build it."""
    builder: str = ""
    """Only the builder of this name may build it."""
    memory: int = 0
    """Bytes of memory that a build needs."""
    disk: int = 0
    """Bytes of disk that a build needs."""
    priority: int = 0
    """Added to the priority of every request for it."""
    timeout: int = 0
    """Seconds that a build may take, instead of the repository's."""
    timeout_factor: int = 0
    """How many times the repository's seconds a build may take, where `timeout` does not say them."""
    bump_from: str = ""
    """The recipe's version for which `bump` holds; with any other it has lapsed."""
    bump: int = 0
    """Rebuild number that the version gets at least."""
    cache_sources: bool = False
    """Whether downloaded sources are kept from one build to the next."""
    keep_replaces: bool = True
    """Whether its packages keep the recipe's `replaces` and `groups`."""
    checks: bool | None = None
    """Whether its check() runs; None leaves that to the repository."""
    ccache: bool = False
    """Whether compilers find what they made for its last build."""
    debug: bool = False
    """Whether packages with its debugging symbols are made."""
    skip_code: int = SKIP_CODE
    """The exit code by which its `prepare` hook says that nothing is to be built."""
    upstream: str = ""
    """Where its recipe comes from: `aur`, `gitlab:ID`, a git URL, or `custom` for nowhere else."""
    follow_vcs: bool = False
    """Whether its version control sources are looked at though its name does not end like that of a VCS package."""
    nvchecker: bool = False
    """Whether nvchecker finds its new versions."""
    publish_to_aur: bool = False
    """Whether its own files are pushed to the AUR."""
    rebuild_on: tuple[str, ...] = ()
    """Packages of upstream repositories whose every new version has it built again."""
    trigger: str = ""
    """The named trigger that alone looks for its new versions."""
    minor_changes: tuple[str, ...] = ()
    """Regular expressions: a line that matches one before and after a change needs no review."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed recipe: `version` is the full one (`[epoch:]pkgver-pkgrel`)."""

    pkgbase: str
    version: str
    arches: tuple[str, ...]
    outputs: tuple[Output, ...]
    needs: tuple[Need, ...] = ()
    description: str = ""
    url: str = ""
    licenses: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Source entries as written, those of every architecture."""
    dynamic_version: bool = False
    """The recipe works its version out while it is built (a `pkgver()` function)."""
    configuration: Configuration = Configuration()

    def needs_for(self, arch: str, *, checks: bool) -> tuple[Need, ...]:
        """The needs that hold when building for `arch`; checkdepends only when checks run, as they do by default."""
        checks = self.checked(checks)
        return tuple(
            need
            for need in self.needs
            if need.arch in ("", arch) and (checks or need.kind is not NeedKind.CHECKDEPENDS)
        )

    @property
    def has_remote_sources(self) -> bool:
        """Whether any source entry has to be fetched; the others lie beside the recipe."""
        return any(_REMOTE.match(source) for source in self.sources)

    def checked(self, by_default: bool) -> bool:
        """Whether its check() runs in a repository that does so `by_default`."""
        return by_default if self.configuration.checks is None else self.configuration.checks

    def installed_first(self, arch: str, *, checks: bool) -> tuple[str, ...]:
        """What has to be there before it is built: what its base needs; what single packages need is for users."""
        own = {output.name for output in self.outputs}
        return tuple(
            dict.fromkeys(
                str(need.dependency)
                for need in self.needs_for(arch, checks=checks)
                if not need.output and not (need.kind is NeedKind.DEPENDS and need.dependency.name in own)
            )
        )

    def made_for(self, arch: str) -> tuple[str, ...]:
        """The names of the packages that building for `arch` makes."""
        return tuple(it.name for it in self.outputs if arch in it.arches or "any" in it.arches)

    def provisions(self, output: Output, arch: str) -> tuple[Provision, ...]:
        """Everything `output` stands for on `arch`, its own name and version first."""
        offered = tuple(offer.provision for offer in output.offers if offer.arch in ("", arch))
        return (Provision(output.name, self.version), *offered)


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a recipe came from: `fingerprint` changes with any of its files, `author` is `Name <mail>`."""

    source: str
    path: str
    revision: str
    fingerprint: str
    author: str = ""


class SourcedRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """A pkgbase as its source has it now: a recipe, or the problem that keeps it from being read."""

    pkgbase: str
    origin: Origin
    recipe: Recipe | None = None
    problem: str = ""
