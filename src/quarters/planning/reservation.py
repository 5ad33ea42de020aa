"""Room for a build that is too large for what a builder has free, so that smaller ones do not take its place for ever."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from quarters.model.build import Build
from quarters.planning.farm import Assumed, Host, Needed, disk_of, memory_of
from quarters.planning.order import ASSUMED_DURATION
from quarters.planning.refusals import DiskInUse, MemoryInUse, Refusal

PATIENCE = timedelta(minutes=30)
"""How long after it was asked for a build has room kept for it."""


class Running(Needed, frozen=True, kw_only=True):
    """A build that runs, and when it is expected to end."""

    ends_at: datetime


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """From when on a builder has room for a large build, and what it has beside that then, in bytes."""

    at: datetime
    memory: int
    disk: int

    def beside(self, build: Build, host: Host, assumed: Assumed, now: datetime) -> "Reservation | None":
        """What is left of it if `build` begins now; None if the large build would have to wait longer."""
        if expected_end(build, now) <= self.at:
            return self
        memory = self.memory - memory_of(build, host.builder, assumed)
        disk = self.disk - disk_of(build, host.builder, assumed)
        if (host.builder.memory and memory < 0) or (host.builder.disk and disk < 0):
            return None
        return msgspec.structs.replace(self, memory=memory, disk=disk)


def is_due_for_room(build: Build, found: Refusal | None, now: datetime) -> bool:
    """Whether a build that `found` keeps from a builder waits for nothing but room there, and has waited long enough."""
    return isinstance(found, MemoryInUse | DiskInUse) and now - build.created_at >= PATIENCE


def reserve(
    build: Build, host: Host, running: Iterable[Running], assumed: Assumed, now: datetime
) -> Reservation:
    """Room for `build`, which `host` has as soon as enough of what it is `running` has ended.

    This is EASY backfilling (Lifka, "The ANL/IBM SP Scheduling System", 1995): what is less urgent may go first only if it
    does not put this off. What should have ended by now is taken to end at any moment.
    """
    builder = host.builder
    memory = builder.memory - host.memory - memory_of(build, builder, assumed)
    disk = builder.disk - host.disk - disk_of(build, builder, assumed)
    at = now
    for one in sorted(running, key=lambda it: it.ends_at):
        if (memory >= 0 or not builder.memory) and (disk >= 0 or not builder.disk):
            break
        memory += memory_of(one, builder, assumed)
        disk += disk_of(one, builder, assumed)
        at = max(now, one.ends_at)
    return Reservation(at=at, memory=memory, disk=disk)


def expected_end(build: Build, begins: datetime) -> datetime:
    """When a build that begins then should be over."""
    return begins + timedelta(seconds=build.duration or ASSUMED_DURATION)
