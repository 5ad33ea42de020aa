"""Why a builder is not given a build: one type for each rule, with what a sentence about it needs to say."""

from datetime import datetime, timedelta

import msgspec

from quarters.model.builder import BuilderState

JUST = timedelta(minutes=10)
"""So long a lost build waits for another builder: the others may all be busy for hours."""


class Refusal(msgspec.Struct, frozen=True):
    """The rule that keeps a build from a builder."""


class Backoff(Refusal, frozen=True):
    """It is tried again later."""

    until: datetime


class ServerLimit(Refusal, frozen=True):
    """The server lets so many builds run at once, and they do."""

    limit: int


class RepositoryLimit(Refusal, frozen=True):
    """The repository lets so many builds run at once, and they do."""

    name: str
    limit: int


class SourceLimit(Refusal, frozen=True):
    """The source lets so many builds run at once, and they do."""

    name: str
    limit: int


class OtherArch(Refusal, frozen=True):
    """The builder builds for other architectures."""

    arch: str


class OtherBuilder(Refusal, frozen=True):
    """The build is for the builder `name` alone."""

    name: str


class TooLowClass(Refusal, frozen=True):
    """The builder's class is `has`, which is below `needs`."""

    needs: int
    has: int


class TooLittleMemory(Refusal, frozen=True):
    """All memory of the builder is not enough; bytes."""

    needs: int
    has: int


class TooLittleDisk(Refusal, frozen=True):
    """All disk of the builder is not enough; bytes."""

    needs: int
    has: int


class NotEnabled(Refusal, frozen=True):
    """The builder is draining or disabled."""

    builder: str
    state: BuilderState


class Quarantined(Refusal, frozen=True):
    """The builder kept failing what others build."""

    builder: str
    until: datetime


class JustLost(Refusal, frozen=True):
    """The builder lost this build's latest attempt within `JUST`, and there are others that can take it."""

    builder: str


class MemoryInUse(Refusal, frozen=True):
    """The builder's memory would be enough, but its other builds need it; bytes."""

    needs: int
    free: int


class DiskInUse(Refusal, frozen=True):
    """The builder's disk would be enough, but its other builds need it; bytes."""

    needs: int
    free: int


class NoFreeSlot(Refusal, frozen=True):
    """The builder builds as much as it can at once."""

    builder: str
