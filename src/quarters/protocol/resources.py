"""What the HTTP API shows and takes, resource by resource; nouns of the model appear as they are."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from quarters.model.build import Build, Bump, Reason, State, StepRecord
from quarters.model.builder import Builder
from quarters.model.recipe import NeedKind, SourcedRecipe
from quarters.model.repository import (
    Compression,
    Network,
    Profile,
    Rebuilds,
    Repository,
    Snapshot,
    Supersede,
    Upstream,
)
from quarters.model.review import Level
from quarters.model.token import Scope, Token
from quarters.model.updates import Updates
from quarters.planning.lacks import Lack

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Part of a list; `cursor` asks for the next part and is null at the end."""

    items: tuple[T, ...]
    cursor: str | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """An error as RFC 9457 has it."""

    kind: str
    title: str
    status: int
    detail: str


Conf = Annotated[str, Meta(max_length=16_384)]
"""Part of a configuration file."""
Hours = Annotated[int, Meta(ge=0, le=87_600)]
AtOnce = Annotated[int, Meta(ge=0, le=10_000)]
"""How many builds may run at once; 0 is no limit."""
Accounts = tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...]
"""Names of accounts at the origin of recipes."""
Priority = Annotated[int, Meta(ge=-100, le=100)]
"""As planning.order.PRIORITIES has them."""


class NewRepository(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A repository to create."""

    name: str
    format: str = "pacman"
    arches: tuple[str, ...] = ("x86_64",)
    description: str = ""
    checks: bool = True
    network: Network = Network.SOURCES
    timeout: int = 3600
    max_running: AtOnce = 0
    upstreams: tuple[Upstream, ...] = ()
    require_signature: bool = False
    require_builder_signature: bool = False
    keep_signatures: bool = False
    keep_versions: int = 0
    keep_days: int = 0
    withdrawal_grace: Hours = 0
    compression: Compression = Compression.GZIP
    rebuilds: Rebuilds = Rebuilds.SUGGEST
    supersede_running: Supersede = Supersede.CANCEL
    bump: Bump = Bump.MINOR
    profiles: tuple[Profile, ...] = ()
    makepkg_conf: Conf = ""
    pacman_conf: Conf = ""


class RepositoryChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of a repository to change; what is left out stays."""

    description: str | None = None
    arches: tuple[str, ...] | None = None
    checks: bool | None = None
    network: Network | None = None
    timeout: int | None = None
    max_running: AtOnce | None = None
    upstreams: tuple[Upstream, ...] | None = None
    require_signature: bool | None = None
    require_builder_signature: bool | None = None
    keep_signatures: bool | None = None
    keep_versions: int | None = None
    keep_days: int | None = None
    withdrawal_grace: Hours | None = None
    compression: Compression | None = None
    rebuilds: Rebuilds | None = None
    supersede_running: Supersede | None = None
    bump: Bump | None = None
    profiles: tuple[Profile, ...] | None = None
    makepkg_conf: Conf | None = None
    pacman_conf: Conf | None = None


class RepositoryView(Repository, frozen=True, kw_only=True):
    """A repository with what it holds now; `snapshot` is null before the first publish."""

    snapshot: Snapshot | None = None
    key: str = ""
    """Fingerprint of the key that signs it."""


class PackageView(msgspec.Struct, frozen=True, kw_only=True):
    """A package in a repository; `size` and `installed_size` in bytes, `build` null for an uploaded one."""

    repository: str
    arch: str
    name: str
    base: str
    version: str
    description: str
    file_name: str
    size: int
    installed_size: int
    sha256: str
    packager: str
    depends: tuple[str, ...]
    provides: tuple[str, ...]
    added_at: datetime
    snapshot: int
    """Number of the snapshot that brought it."""
    build: int | None = None


class NewSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source to add: `location` is what its kind takes (for `tree` anything `git clone` takes)."""

    name: str
    location: str
    repository: str
    kind: str = "tree"
    branch: str = ""
    path: str = ""
    packages: tuple[str, ...] = ()
    dependencies: bool = False
    prereleases: bool = False
    """Whether tags such as `v2.0-rc1` count (kind gitlab)."""
    automatic: bool = True
    """Whether outdated recipes are built without being asked for."""
    max_running: AtOnce = 0
    review: Level | None = None
    """Which changes wait for a person; by default the major ones of kinds that strangers write (aur, url)."""
    update_review: Level = Level.MAJOR
    trusted: Accounts = ()
    cooldown: Hours = 0
    updates: Updates = msgspec.field(default_factory=Updates)


class SourceChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of a source to change; what is left out stays."""

    location: str | None = None
    branch: str | None = None
    path: str | None = None
    packages: tuple[str, ...] | None = None
    dependencies: bool | None = None
    prereleases: bool | None = None
    automatic: bool | None = None
    enabled: bool | None = None
    max_running: AtOnce | None = None
    review: Level | None = None
    update_review: Level | None = None
    trusted: Accounts | None = None
    cooldown: Hours | None = None
    updates: Updates | None = None
    """How upstreams are followed, all of it: what is left out is the default."""


class NewSchedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule to set: `pkgbase` names one recipe of the source, "" means all that have none of their own.

    `expression` has cron's five fields, Vieter's two to four, or is `@daily` and its like; `timezone` is a name of the tz
    database.
    """

    source: str
    pkgbase: str = ""
    expression: Annotated[str, Meta(max_length=200)]
    timezone: Annotated[str, Meta(max_length=64)] = "UTC"


class RecipeView(SourcedRecipe, frozen=True, kw_only=True):
    """A recipe with what is published of it."""

    repository: str
    published_version: str = ""


class PlanRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What would be built for `packages` (pkgbases or package names; empty: everything outdated), and why."""

    packages: tuple[str, ...] = ()
    repository: str | None = None
    arch: str | None = None
    force: bool = False


class BuildRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Packages (pkgbases or package names) to build with all they need; `repository` may be left out if there is one."""

    packages: tuple[str, ...] = ()
    everything: bool = False
    """In place of `packages`, what is outdated or, with `force`, all that there is; of `source` alone where one is named."""
    source: Annotated[str, Meta(max_length=63, pattern=r"^[A-Za-z0-9_.-]*$")] = ""
    repository: str | None = None
    arch: str | None = None
    force: bool = False
    """Build also what is published already, with a higher pkgrel where the repository's policy raises it."""
    priority: Priority = 0
    allow_downgrade: bool = False
    """Whether what is built may take the place of newer packages."""


class BuildFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which builds to list: those that match everything given; `since` is when they were created at the earliest."""

    state: State | None = None
    repository: str | None = None
    pkgbase: str | None = None
    reason: Reason | None = None
    since: datetime | None = None
    arch: str | None = None
    requester: str | None = None
    builder: str | None = None
    request: int | None = None


class Cancellation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which builds to cancel: those that a request wants and no other one does."""

    request: Annotated[int, Meta(ge=1, le=2**63 - 1)]


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """The builds that were cancelled, and those that go on because another request wants them too."""

    builds: tuple[int, ...]
    kept: tuple[int, ...] = ()


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which builds to try again: those that failed, timed out or were cancelled, and match all that is given."""

    reason: Reason | None = None
    repository: str | None = None
    request: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


class Retried(msgspec.Struct, frozen=True, kw_only=True):
    """The builds that are tried again, and those that are not because a later build of the same recipe is there."""

    builds: tuple[int, ...]
    overtaken: tuple[int, ...] = ()


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A request that wants a build, or wanted it before it was `withdrawn`."""

    request: int
    requester: str
    created_at: datetime
    withdrawn: bool = False


class Requested(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a build request: `joined` were queued already, `current` are up to date, `problems` sentences."""

    request: int
    builds: tuple[int, ...]
    joined: tuple[int, ...] = ()
    built: tuple[int, ...] = ()
    """Builds that have done just this, and become visible with the rest of their rebuild."""
    current: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    rebuild: int | None = None
    """The rebuild with which all of it becomes visible at once."""


class Prerequisite(msgspec.Struct, frozen=True, kw_only=True):
    """Another build that a build needs, and the dependency that says so."""

    build: int
    pkgbase: str
    state: State
    dependency: str
    kind: NeedKind


class BuildView(Build, frozen=True, kw_only=True):
    """A build with `why`, one sentence on why it is not running (or how it ended), its steps and prerequisites."""

    why: str = ""
    steps: tuple[StepRecord, ...] = ()
    needs: tuple[Prerequisite, ...] = ()
    lacks: tuple[Lack, ...] = ()
    """What it needs and no upstream has yet."""
    wishes: tuple[Wish, ...] = ()
    """The requests that want it: the one that it was made for, and those that joined it."""


class BuilderView(Builder, frozen=True, kw_only=True):
    """A builder with the builds that it is working on."""

    running: tuple[int, ...] = ()
    alive: bool = True


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """How many old builds and events were removed, and the bytes of logs that this freed."""

    builds: int
    events: int
    freed: int


class NewToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to create; `scope` is read, publish, build, builder or admin; a builder's token bears the builder's name."""

    name: str
    scope: Scope
    days: int | None = None


class CreatedToken(Token, frozen=True, kw_only=True):
    """A new token with its secret, which is shown this once."""

    secret: str


class KeyExtension(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Let a key last for `days` from now on."""

    days: int


class KeyRetirement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End a key; `revoke` tells clients that it may have fallen into other hands."""

    revoke: bool = False


class TrustedKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A public key whose owner may sign what is uploaded, in ASCII armour."""

    armored: str


class KeyState(StrEnum):
    """Whether a key signs, is trusted by clients beside the one that does, or is trusted no more."""

    SIGNING = "signing"
    READY = "ready"
    RETIRED = "retired"


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A signing key's public side; `armored` is what `pacman-key --add` takes."""

    name: str
    fingerprint: str
    user_id: str
    created_at: datetime
    expires_at: datetime | None
    armored: str
    signer: str = "file"
    """What signs with it: `file`, `gpg`, `command` or, once it is retired, nothing."""
    state: KeyState = KeyState.READY
