"""A build, its steps and reasons, and the one table through which it changes state."""

from datetime import datetime
from enum import StrEnum

import msgspec

from quarters.model.errors import StateChangeRefused


class State(StrEnum):
    """Where a build stands."""

    WAITING = "waiting"
    BLOCKED = "blocked"
    READY = "ready"
    RUNNING = "running"
    PUBLISHING = "publishing"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


class Event(StrEnum):
    """What happens to a build."""

    RELEASE = "release"
    BLOCK = "block"
    UNBLOCK = "unblock"
    CLAIM = "claim"
    REQUEUE = "requeue"
    WAIT = "wait"
    UPLOADED = "uploaded"
    PUBLISHED = "published"
    SKIP = "skip"
    FAIL = "fail"
    TIME_OUT = "time_out"
    CANCEL = "cancel"
    SUPERSEDE = "supersede"
    RETRY = "retry"


TERMINAL = frozenset(
    {State.SUCCEEDED, State.SKIPPED, State.FAILED, State.TIMED_OUT, State.CANCELLED, State.SUPERSEDED}
)
OPEN = frozenset(State) - TERMINAL
SATISFIED = frozenset({State.SUCCEEDED, State.SKIPPED})
"""States of a prerequisite that let its dependents go on."""
BROKEN = frozenset({State.FAILED, State.TIMED_OUT, State.CANCELLED, State.BLOCKED})
"""States of a prerequisite that block its dependents."""

TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.WAITING, Event.RELEASE): State.READY,
    (State.WAITING, Event.BLOCK): State.BLOCKED,
    (State.READY, Event.BLOCK): State.BLOCKED,
    (State.BLOCKED, Event.UNBLOCK): State.WAITING,
    (State.READY, Event.CLAIM): State.RUNNING,
    (State.RUNNING, Event.REQUEUE): State.READY,
    # What it needs is not to be had yet, as its builder found.
    (State.RUNNING, Event.WAIT): State.WAITING,
    (State.RUNNING, Event.UPLOADED): State.PUBLISHING,
    (State.RUNNING, Event.SKIP): State.SKIPPED,
    (State.RUNNING, Event.FAIL): State.FAILED,
    (State.RUNNING, Event.TIME_OUT): State.TIMED_OUT,
    (State.PUBLISHING, Event.PUBLISHED): State.SUCCEEDED,
    (State.PUBLISHING, Event.FAIL): State.FAILED,
    (State.PUBLISHING, Event.TIME_OUT): State.TIMED_OUT,
    # A person's retry revives the same build, so that its dependents keep pointing at it.
    (State.FAILED, Event.RETRY): State.WAITING,
    (State.TIMED_OUT, Event.RETRY): State.WAITING,
    (State.CANCELLED, Event.RETRY): State.WAITING,
    **{(state, Event.CANCEL): State.CANCELLED for state in OPEN},
    **{(state, Event.SUPERSEDE): State.SUPERSEDED for state in OPEN},
}


_ASKED_FOR = {Event.CANCEL: "be cancelled", Event.RETRY: "be tried again"}


def after(state: State, event: Event) -> State:
    """The state that `event` leads to, or StateChangeRefused."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        what = _ASKED_FOR.get(event, event.replace("_", " "))
        raise StateChangeRefused(f"A {state.replace('_', ' ')} build cannot {what}.") from None


class Step(StrEnum):
    """What a running build does, in order."""

    ROOT = "root"
    RECIPE = "recipe"
    HOOKS = "hooks"
    DEPENDENCIES = "dependencies"
    SOURCES = "sources"
    PREPARE = "prepare"
    BUILD = "build"
    CHECK = "check"
    PACKAGE = "package"
    UPLOAD = "upload"


class Reason(StrEnum):
    """Why a build failed."""

    DEPENDENCY_MISSING = "dependency_missing"
    SOURCE_UNAVAILABLE = "source_unavailable"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    SIGNATURE_UNTRUSTED = "signature_untrusted"
    RECIPE_INVALID = "recipe_invalid"
    PATCH_FAILED = "patch_failed"
    HOOK_FAILED = "hook_failed"
    PREPARE_FAILED = "prepare_failed"
    BUILD_FAILED = "build_failed"
    CHECK_FAILED = "check_failed"
    PACKAGE_FAILED = "package_failed"
    OUT_OF_MEMORY = "out_of_memory"
    TOO_MANY_PROCESSES = "too_many_processes"
    DISK_FULL = "disk_full"
    LOG_TOO_LARGE = "log_too_large"
    BUILDER_LOST = "builder_lost"
    PUBLISH_REJECTED = "publish_rejected"
    INTERNAL_ERROR = "internal_error"


class Cause(StrEnum):
    """Why a build was asked for."""

    REQUESTED = "requested"
    NEW = "new"
    NEW_VERSION = "new_version"
    RECIPE_CHANGED = "recipe_changed"
    DEPENDENCY = "dependency"
    REBUILD = "rebuild"
    SCHEDULE = "schedule"
    RETRY = "retry"


class Bump(StrEnum):
    """How a package that is built again differs in its version from the published one."""

    MINOR = "minor"
    """`1.0-1` becomes `1.0-1.1`."""
    WHOLE = "whole"
    """`1.0-1` becomes `1.0-2`."""
    NONE = "none"
    """Only the recipe raises its version; what is built from an unchanged one has to be the same."""


class Grounds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What made a build necessary, as far as its cause leaves that open; `detail` says it in words."""

    detail: str = ""
    dependent: str = ""
    """The pkgbase that needs it, of a build that is wanted as a dependency."""
    dependency: str = ""
    """What that one needs, as its recipe writes it."""
    library: str = ""
    """The soname of a library that its package links to and that is there no more, of a rebuild."""
    successor: str = ""
    """What is there instead, "" where nothing is."""


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one attempt; `log_offset` is the byte in the log where it begins."""

    step: Step
    started_at: datetime
    ended_at: datetime | None = None
    exit_code: int | None = None
    log_offset: int = 0


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """One recipe built for one architecture and one repository; times are aware and UTC."""

    id: int
    repository: str
    arch: str
    pkgbase: str
    source: str
    version: str
    fingerprint: str
    state: State
    cause: Cause
    requester: str
    packager: str
    created_at: datetime
    request_id: int
    bump: int = 0
    """Rebuild number: n > 0 raises the pkgrel, as `bumping` says."""
    priority: int = 0
    build_class: int = 0
    """Builders of this class or a higher one may build it."""
    only_builder: str = ""
    """The one builder that may build it, "" for any."""
    memory: int = 0
    """Bytes of memory that it needs, 0 where that is not known yet; `disk` likewise."""
    disk: int = 0
    duration: int = 0
    """Seconds that it is expected to take, 0 where it was never built."""
    attempt: int = 0
    step: Step | None = None
    builder: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    not_before: datetime | None = None
    reason: Reason | None = None
    command: str | None = None
    exit_code: int | None = None
    message: str = ""
    """One sentence: what went wrong, or what is being waited for."""
    bumping: Bump = Bump.MINOR
    allow_downgrade: bool = False
    """Whether its packages may take the place of newer ones."""
    grounds: Grounds = Grounds()
    rebuild: int | None = None
    """The rebuild with whose other builds its packages become visible, if it belongs to one."""


class Outcome(StrEnum):
    """How a builder says that an attempt ended."""

    BUILT = "built"
    SKIPPED = "skipped"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    HANDED_BACK = "handed_back"
    """Its builder stops; the build goes back to the queue as if it had not been given out."""
