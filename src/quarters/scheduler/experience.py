"""What the end of an attempt teaches: what the package needs, and whether its builder can be trusted."""

from datetime import datetime

from sqlalchemy import Connection

from quarters.model.build import Build, Outcome, Reason
from quarters.planning import quarantine
from quarters.planning.assignment import suited
from quarters.planning.usage import Usage, bounded, learnt
from quarters.protocol.builds import Finish, Measured
from quarters.storage import builders, leases, usage


def take_in(connection: Connection, build: Build, said: Finish, now: datetime) -> None:
    """Remember how an attempt of `build` ended."""
    if said.measured != Measured():
        _learn(connection, build, said, now)
    _judge(connection, build, said, now)


def _learn(connection: Connection, build: Build, said: Finish, now: datetime) -> None:
    before = usage.of(connection, build.arch, [build.pkgbase]).get(build.pkgbase, Usage())
    used = Usage(seconds=said.measured.seconds, memory=said.measured.memory, disk=said.measured.disk)
    after = learnt(before, used, said.outcome, said.reason)
    if after != before:
        usage.put(connection, build.pkgbase, build.arch, now, after)
    if said.reason in (Reason.OUT_OF_MEMORY, Reason.DISK_FULL):
        takers = suited(build, builders.listed(connection))
        usage.expect(connection, build, bounded(after, takers))


def _judge(connection: Connection, build: Build, said: Finish, now: datetime) -> None:
    builder = None if build.builder is None else builders.find(connection, build.builder)
    if builder is None:
        return
    if said.outcome in (Outcome.BUILT, Outcome.SKIPPED):
        builders.judge(connection, builder, quarantine.after_success(builder), now)
    elif quarantine.is_its_own_fault(said.reason, machine_full=said.machine_full):
        builders.judge(connection, builder, quarantine.after_failure(builder, now), now)
    if said.outcome is Outcome.BUILT and build.attempt > 1:
        for name in leases.failed_before(connection, build.id, builder.name, quarantine.NO_SIGN):
            other = builders.find(connection, name)
            if other is not None:
                builders.judge(connection, other, quarantine.after_failure(other, now), now)
