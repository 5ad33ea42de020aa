"""A person's look at a recipe that changed, before anything is made of it."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec


class Level(StrEnum):
    """Which changes of recipes wait for a person: none, those that are more than new versions, or all."""

    OFF = "off"
    MAJOR = "major"
    ALL = "all"


class Size(StrEnum):
    """Whether a change is a new version and its checksums, or anything beyond that."""

    MINOR = "minor"
    MAJOR = "major"


class RiskKind(StrEnum):
    """What in a change deserves a second look."""

    NETWORK = "network"
    PIPED_SHELL = "piped_shell"
    MAINTAINER = "maintainer"
    SOURCE_HOST = "source_host"
    SCRIPTLET = "scriptlet"
    OBFUSCATION = "obfuscation"
    LOOKALIKE = "lookalike"
    PRIVILEGE = "privilege"
    CHECKSUM = "checksum"
    CHECKSUM_SKIPPED = "checksum_skipped"
    SIGNING_KEY = "signing_key"
    BINARY = "binary"
    HOOK = "hook"


class Risk(msgspec.Struct, frozen=True):
    """One risky part of a change: `line` counts from 1 in the new file, 0 where it is about no single line."""

    kind: RiskKind
    file: str
    line: int
    message: str


class Verdict(msgspec.Struct, frozen=True):
    """What a change amounts to; the risks are pointed out whatever its size."""

    size: Size
    risks: tuple[Risk, ...] = ()


class Policy(msgspec.Struct, frozen=True):
    """What passes without a person: `trusted` are accounts whose major changes do, `cooldown` is how old they must be."""

    level: Level
    trusted: frozenset[str] = frozenset()
    cooldown: timedelta = timedelta(0)


class ReviewState(StrEnum):
    """A review waits until it is decided, or until a later change of the same recipe takes its place."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


class Place(StrEnum):
    """Where a change is: in the source itself, or with the upstream that a tree's recipe follows."""

    SOURCE = "source"
    UPSTREAM = "upstream"


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A change that might be taken: two states of a recipe's folder `path`, both in the mirror of `source`.

    The fingerprints are ids of git trees, as recipes have them; "" before there was anything.
    """

    source: str
    path: str
    place: Place
    from_revision: str
    from_fingerprint: str
    to_revision: str
    to_fingerprint: str
    verdict: Verdict
    maintainers: tuple[str, ...] = ()
    """Accounts that may change it at its origin, co-maintainers included; none where nobody says."""
    author: str = ""
    """Who made the change, as `Name <mail>`."""


class Review(Candidate, frozen=True, kw_only=True):
    """A candidate that waits for a decision, or had one."""

    id: int
    state: ReviewState
    why: str
    """Why it does not pass by itself, in a sentence."""
    passes_at: datetime | None = None
    """When it passes by itself if nobody objects; None: never."""
    created_at: datetime
    decided_at: datetime | None = None
    decided_by: str = ""
    note: str = ""
    taken: bool = False
    """Whether what was approved is in force."""
    url: str = ""
    """The merge request that shows it at a forge."""
    request: int | None = None
    """The number of that merge request, while it or its branch is still to be tidied up."""
    problem: str = ""
    """Why what was approved could not be taken, or its merge request not be opened."""
