"""Messages between a builder and the server: claim, heartbeat, log, artifacts, finish."""

from typing import Annotated

import msgspec
from msgspec import Meta

from quarters.model.build import Bump, Outcome, Reason, StepRecord
from quarters.model.recipe import SKIP_CODE
from quarters.model.repository import Network, Profile

Name = Annotated[str, Meta(max_length=63)]
Word = Annotated[str, Meta(max_length=255)]
Count = Annotated[int, Meta(ge=0, le=10_000)]
Bytes = Annotated[int, Meta(ge=0, lt=2**60)]
Steps = Annotated[tuple[StepRecord, ...], Meta(max_length=64)]

LEASE_HEADER = "Quarters-Lease"
"""Carries `<attempt>:<lease token>` on every request about a claimed build."""


class LeaseKey(msgspec.Struct, frozen=True):
    """What a builder shows with everything it says about a claimed build; `lease` is the secret of the lease."""

    build: int
    attempt: int
    lease: str

    def header(self) -> str:
        """The value of LEASE_HEADER."""
        return f"{self.attempt}:{self.lease}"

    @classmethod
    def of(cls, assignment: "Assignment") -> "LeaseKey":
        """The key that came with `assignment`."""
        return cls(assignment.build, assignment.attempt, assignment.lease)


class ClaimRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A builder asks for at most `free` builds and is ready to wait `wait` seconds for the first."""

    builder: Name
    arches: Annotated[tuple[Name, ...], Meta(max_length=32)]
    slots: Count
    free: Count
    wait: float = 0.0
    version: Word = ""
    executor: Word = ""
    build_class: Count = 0
    """It builds what asks for this class or a lower one."""
    memory: Bytes = 0
    """Bytes of memory that its builds share; 0 tells nothing, and builds are given out without regard to it."""
    disk: Bytes = 0
    """Bytes of disk that its builds share; 0 as above."""


class PackageRepository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository that the build's root installs dependencies from.

    `server` is a URL as pacman.conf(5) takes it, or a path below the Quarters server when it begins with `/`;
    `key` is an ASCII-armoured public key that its signatures must be by, "" where `sig_level` asks for none.
    """

    name: str
    server: str
    sig_level: str
    key: str = ""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a builder needs to know to work on one attempt; it never holds a credential of somebody else."""

    build: int
    attempt: int
    lease: str
    heartbeat: float
    """Seconds between heartbeats; three missed ones lose the lease."""
    repository: str
    arch: str
    pkgbase: str
    version: str
    outputs: tuple[str, ...]
    """The packages that the recipe promises; success is judged by their files."""
    dynamic_version: bool
    dependencies: tuple[str, ...]
    """What is installed into the root before the build, as the recipe writes it (`glibc>=2.38`)."""
    remote_sources: bool
    """Whether any source entry has to be fetched over the network."""
    repositories: tuple[PackageRepository, ...]
    packager: str
    bump: int = 0
    bumping: Bump = Bump.MINOR
    checks: bool = True
    network: Network = Network.SOURCES
    profiles: tuple[Profile, ...] = ()
    makepkg_conf: str = ""
    """What the repository adds to makepkg.conf(5); `pacman_conf` likewise."""
    pacman_conf: str = ""
    timeout: int = 3600
    log_limit: int = 0
    """Bytes of log that the server takes; 0 leaves that open."""
    memory: int = 0
    """Bytes of memory that the build is known to need, 0 where that is not known; `disk` likewise."""
    disk: int = 0
    source: str = ""
    """The source that the recipe comes from."""
    published: str = ""
    """The version of all its packages in the repository: where pkgver() yields it again, nothing is to be built."""
    keep_replaces: bool = True
    """Whether its packages keep the recipe's `replaces` and `groups`."""
    cache_sources: bool = False
    ccache: bool = False
    debug: bool = False
    skip_code: int = SKIP_CODE
    """The exit code by which its `prepare` hook says that nothing is to be built."""


class ClaimReply(msgspec.Struct, frozen=True):
    """What the scheduler chose; empty when the wait ended without work."""

    assignments: tuple[Assignment, ...] = ()


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The builder is alive and this far; `steps` are all steps of the attempt so far, so that repeats do no harm."""

    steps: Steps = ()


class HeartbeatReply(msgspec.Struct, frozen=True):
    """Whether the work is to go on: after `cancel` the builder stops the build and finishes nothing."""

    cancel: bool = False


class Received(msgspec.Struct, frozen=True):
    """How many bytes of a log or an artifact the server has; the sender goes on from there."""

    size: int


class ArtifactDigest(msgspec.Struct, frozen=True):
    """A file that the build made: `size` in bytes, `sha256` in hexadecimal, its builder's `signature` detached, binary."""

    file_name: Word
    size: int
    sha256: Annotated[str, Meta(max_length=64)]
    signature: Annotated[bytes, Meta(max_length=16_384)] = b""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt used: seconds in all, the most bytes of memory and disk at a time; 0 is not known."""

    seconds: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    memory: Bytes = 0
    disk: Bytes = 0


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """How the attempt ended; for `built`, all `artifacts` are already uploaded and `version` is what they bear.

    For `skipped`, `version` is what would have been built, "" where that is not known.
    """

    outcome: Outcome
    steps: Steps
    version: Word = ""
    artifacts: Annotated[tuple[ArtifactDigest, ...], Meta(max_length=1000)] = ()
    reason: Reason | None = None
    command: str | None = None
    exit_code: Annotated[int, Meta(ge=-(2**31), lt=2**31)] | None = None
    message: str = ""
    missing: Word = ""
    """The dependency, as recipes write it, that none of the builder's repositories has."""
    machine_full: bool = False
    """The builder's disk was full before the build began: no build would have fared better there."""
    measured: Measured = Measured()
