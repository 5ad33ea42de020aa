"""A repository, the packages in it, and the snapshots that every publish makes."""

from datetime import datetime
from enum import StrEnum

import msgspec

from quarters.model.build import Bump
from quarters.model.library import Libraries
from quarters.model.recipe import Dependency, Provision


class Network(StrEnum):
    """When a build may reach the network; "sources" is while dependencies and sources are fetched."""

    SOURCES = "sources"
    ALWAYS = "always"
    NEVER = "never"


class Compression(StrEnum):
    """What index files are compressed with: gzip is read by everything, zstd is smaller and quicker."""

    GZIP = "gzip"
    ZSTD = "zstd"


class Rebuilds(StrEnum):
    """What happens when a library is published without a soname that other packages link to."""

    OFF = "off"
    SUGGEST = "suggest"
    """It is published, and what links to the old one is suggested for a rebuild."""
    AUTO = "auto"
    """What links to the old one is built again, and published together with the library."""


class Supersede(StrEnum):
    """What becomes of a running build when a newer recipe is to be built."""

    CANCEL = "cancel"
    """It ends at once, and the newer one takes its place."""
    FINISH = "finish"
    """It is built and published, and the newer one follows."""


class Profile(StrEnum):
    """What the packages of a repository are compiled for."""

    X86_64_V2 = "x86_64_v2"
    """For processors of the level x86-64-v2 and above, and so on."""
    X86_64_V3 = "x86_64_v3"
    X86_64_V4 = "x86_64_v4"
    HARDENED = "hardened"
    """With checks at run time, and a memory layout that attackers do not know."""


class Upstream(msgspec.Struct, frozen=True):
    """A repository of others whose packages satisfy dependencies: `server` may hold $repo and $arch (pacman.conf(5))."""

    name: str
    server: str
    sig_level: str = "Optional TrustAll"
    key: str = ""
    """ASCII-armoured public keys that its signatures may be by, beside those that the builds' root trusts."""


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of packages that clients install from."""

    name: str
    format: str = "pacman"
    arches: tuple[str, ...] = ("x86_64",)
    description: str = ""
    checks: bool = True
    """Whether builds run check(), and so need checkdepends."""
    network: Network = Network.SOURCES
    timeout: int = 3600
    """Wall-clock limit of a build in seconds."""
    max_running: int = 0
    """How many of its builds may run at once; 0 is no limit."""
    upstreams: tuple[Upstream, ...] = ()
    trusted_keys: dict[str, str] = {}
    """Keys of those who may sign what they upload: ASCII armour by fingerprint."""
    require_signature: bool = False
    """Whether an upload has to bring a signature by one of them; builders are known by their leases."""
    require_builder_signature: bool = False
    """Whether what a builder made has to bring one as well."""
    keep_signatures: bool = False
    """Whether clients get the uploader's signature where there is one, and so have to trust these keys too."""
    compression: Compression = Compression.GZIP
    rebuilds: Rebuilds = Rebuilds.SUGGEST
    supersede_running: Supersede = Supersede.CANCEL
    bump: Bump = Bump.MINOR
    """How the version of a package that is built again differs from the published one."""
    withdrawal_grace: int = 0
    """Hours that packages stay after the recipes that made them left their source."""
    profiles: tuple[Profile, ...] = ()
    """What is added to the flags of the builds' root."""
    makepkg_conf: str = ""
    """Lines that follow makepkg.conf(5) in builds."""
    pacman_conf: str = ""
    """Lines that builds have below `[options]` in pacman.conf(5), after which may come further repositories."""
    keep_versions: int = 0
    """Snapshots are kept while they list one of this many newest versions of a package; 0 is no such rule."""
    keep_days: int = 0
    """Snapshots are kept this many days after the next one took their place; 0 is no such rule. Without a rule all are."""


class PackageFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a package file says about itself, read from the file; `index` is its share of each index, by member name."""

    file_name: str
    size: int
    sha256: str
    name: str
    base: str
    version: str
    arch: str
    installed_size: int = 0
    build_date: int = 0
    packager: str = ""
    description: str = ""
    url: str = ""
    depends: tuple[Dependency, ...] = ()
    provides: tuple[Provision, ...] = ()
    groups: tuple[str, ...] = ()
    libraries: Libraries = Libraries()
    """What its files link to and can be linked to, whatever `depends` and `provides` claim."""
    index: dict[str, str]


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A package that can be installed from an index, as planning sees it."""

    name: str
    version: str
    base: str = ""
    provides: tuple[Provision, ...] = ()

    def provisions(self) -> tuple[Provision, ...]:
        """Everything it stands for, its own name and version first."""
        return (Provision(self.name, self.version), *self.provides)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The exact content of a repository's index at one publish; numbers rise by one within a repository."""

    repository: str
    number: int
    created_at: datetime
    actor: str
    note: str
    packages: int
    """How many packages its indexes list, an `any` package once an architecture."""


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A name for a snapshot, under which it is served and for whose sake it is kept."""

    repository: str
    name: str
    number: int
    actor: str
    created_at: datetime
