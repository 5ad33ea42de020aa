"""What the choice of builds depends on beside the builds: limits, what runs, who builds, who was given how much."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from quarters.model.build import Build
from quarters.model.builder import Builder


class Queue(msgspec.Struct, frozen=True):
    """Builds that are alike in who may build them; a builder is given builds of whole queues or none."""

    arch: str
    repository: str
    source: str
    build_class: int = 0
    only_builder: str = ""

    @classmethod
    def of(cls, build: Build) -> "Queue":
        """The one that `build` is in."""
        return cls(build.arch, build.repository, build.source, build.build_class, build.only_builder)


class Needed(msgspec.Struct, frozen=True):
    """What a build needs, in bytes; 0 is not known."""

    memory: int = 0
    disk: int = 0


class Assumed(Needed, frozen=True):
    """What a build is taken to need while nothing is known about it."""


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A builder with what its builds need of it; `free` slots, bytes."""

    builder: Builder
    free: int
    memory: int = 0
    disk: int = 0

    @classmethod
    def of(cls, builder: Builder, free: int, running: Iterable[Needed], assumed: Assumed) -> "Host":
        """`builder` with what it is `running`."""
        host = cls(builder=builder, free=free)
        for one in running:
            host = host.with_one_more(one, assumed)
        return msgspec.structs.replace(host, free=free)

    def with_one_more(self, build: Build | Needed, assumed: Assumed) -> "Host":
        """After it was given `build`."""
        return msgspec.structs.replace(
            self,
            free=self.free - 1,
            memory=self.memory + memory_of(build, self.builder, assumed),
            disk=self.disk + disk_of(build, self.builder, assumed),
        )


class Farm(msgspec.Struct, frozen=True, kw_only=True):
    """Limits (0 or absent: none), how many builds run by name, and the seconds that sources were given lately."""

    limit: int = 0
    repository_limits: Mapping[str, int] = {}
    source_limits: Mapping[str, int] = {}
    running: int = 0
    running_of_repository: Mapping[str, int] = {}
    running_of_source: Mapping[str, int] = {}
    served: Mapping[str, float] = {}
    assumed: Assumed = Assumed()
    others: tuple[Builder, ...] = ()
    """The builders that are alive, beside the one that asks."""

    def with_one_more(self, build: Build, seconds: float) -> "Farm":
        """After somebody was given `build`, which counts as so many `seconds`."""
        return msgspec.structs.replace(
            self,
            running=self.running + 1,
            running_of_repository=_more(self.running_of_repository, build.repository, 1),
            running_of_source=_more(self.running_of_source, build.source, 1),
            served=_more(self.served, build.source, seconds),
        )


def memory_of(build: Build | Needed, builder: Builder, assumed: Assumed) -> int:
    """What `build` takes of the builder's memory; a mere guess never exceeds what it has."""
    return build.memory or min(assumed.memory, builder.memory or assumed.memory)


def disk_of(build: Build | Needed, builder: Builder, assumed: Assumed) -> int:
    """What `build` takes of the builder's disk; a mere guess never exceeds what it has."""
    return build.disk or min(assumed.disk, builder.disk or assumed.disk)


N = TypeVar("N", int, float)


def _more(counts: Mapping[str, N], name: str, by: N) -> dict[str, N]:
    return {**counts, name: counts.get(name, 0) + by}
