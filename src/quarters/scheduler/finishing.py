"""What the end of an attempt means for its build: published, tried again, or over."""

from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from quarters.model.build import Build, Event, Outcome, Reason
from quarters.model.builder import BuilderState
from quarters.model.errors import Conflict
from quarters.model.recipe import NeedKind
from quarters.model.text import plain
from quarters.planning.lacks import Lack
from quarters.planning.retries import DEFAULTS, Retries
from quarters.protocol.builds import Finish, LeaseKey
from quarters.scheduler import experience, published
from quarters.storage import builders, builds, lacks, leases, packages, uploads
from quarters.storage.events import record
from quarters.storage.transitions import transition


class Failure(NamedTuple):
    """Why an attempt failed."""

    reason: Reason
    message: str
    command: str | None = None
    exit_code: int | None = None
    missing: str = ""
    """The dependency that the builder could not get, as recipes write it."""


def finish(
    connection: Connection, key: LeaseKey, said: Finish, now: datetime, retries: Retries = DEFAULTS
) -> None:
    """Take a builder's word for how its attempt ended; saying the same again does no harm.

    Conflict if artifacts are missing, LeaseLost if the attempt was given up meanwhile.
    """
    held = leases.held(connection, key.build, key.attempt, key.lease)
    if held.outcome == said.outcome:
        return
    build = leases.still_standing(held, key.attempt).build
    command = None if said.command is None else plain(said.command)
    said = msgspec.structs.replace(said, message=plain(said.message), command=command)
    if said.outcome is Outcome.BUILT:
        _require_whole(connection, key, said)
    leases.note_steps(connection, build, said.steps, now)
    leases.end_attempt(connection, build, said.outcome, now, said.reason)
    experience.take_in(connection, build, said, now)
    match said.outcome:
        case Outcome.BUILT | Outcome.SKIPPED if same := _published(connection, build, said.version):
            # A recipe that works its version out can change without making anything new (VCS packages do).
            packages.confirm(connection, same, build.fingerprint)
            builds.skip(connection, build.id, now, f"{build.pkgbase} {said.version} is already published.")
        case Outcome.BUILT:
            signatures = {artifact.file_name: artifact.signature for artifact in said.artifacts}
            uploads.settle(connection, build.id, build.attempt, signatures, said.version)
            transition(connection, build.id, Event.UPLOADED, now, lease_expires_at=None)
        case Outcome.SKIPPED:
            builds.skip(connection, build.id, now, said.message or "This version is already published.")
        case Outcome.TIMED_OUT:
            builds.time_out(
                connection, build.id, said.message or "It took longer than it may.", now,
                command=said.command, exit_code=said.exit_code,
            )  # fmt: skip
        case Outcome.FAILED:
            reason = said.reason or Reason.INTERNAL_ERROR
            failure = Failure(reason, said.message, said.command, said.exit_code, said.missing)
            again = retries.at(reason, held.tries, now)
            _fail_or_requeue(connection, build, failure, again, now)
        case Outcome.HANDED_BACK:
            _take_back(connection, build, held.forgiven, said.message, now)


def lose_expired(connection: Connection, now: datetime, retries: Retries = DEFAULTS) -> list[int]:
    """Take builds back from builders that went silent; returns their numbers."""
    lost = []
    for build, forgiven in leases.expired(connection, now):
        leases.end_attempt(connection, build, leases.LOST, now, Reason.BUILDER_LOST)
        record(
            connection,
            now,
            "lease.lost",
            str(build.id),
            {"builder": build.builder, "attempt": build.attempt, "pkgbase": build.pkgbase},
        )
        message = f"The builder {build.builder} went silent."
        failure = Failure(Reason.BUILDER_LOST, message)
        again = retries.at(failure.reason, build.attempt - forgiven, now)
        _fail_or_requeue(connection, build, failure, again, now)
        lost.append(build.id)
    return lost


def disable(connection: Connection, name: str, now: datetime) -> list[int]:
    """Let a builder have nothing, neither new builds nor those that it holds; returns their numbers. NotFound."""
    builders.set_state(connection, name, BuilderState.DISABLED, now)
    taken = []
    for build, forgiven in leases.running_at(connection, name):
        leases.end_attempt(connection, build, Outcome.HANDED_BACK, now)
        _take_back(connection, build, forgiven, f"The builder {name} was disabled.", now)
        taken.append(build.id)
    return taken


def _fail_or_requeue(
    connection: Connection, build: Build, failure: Failure, again: datetime | None, now: datetime
) -> None:
    if again is None:
        builds.fail(
            connection, build.id, failure.reason, failure.message, now,
            command=failure.command, exit_code=failure.exit_code,
        )  # fmt: skip
        return
    # Whether it is to be had yet is looked into by whoever follows the upstreams; until then nobody need try.
    event = Event.WAIT if failure.missing else Event.REQUEUE
    transition(
        connection, build.id, event, now,
        reason=failure.reason, message=failure.message, command=failure.command, exit_code=failure.exit_code,
        not_before=again, lease_expires_at=None, builder=None,
    )  # fmt: skip
    if failure.missing:
        lack = Lack(dependency=failure.missing, kind=NeedKind.MAKEDEPENDS)
        lacks.put(connection, {build.id: [lack]})


def _take_back(connection: Connection, build: Build, forgiven: int, message: str, now: datetime) -> None:
    # The next one may be its builder again, at once; and a try that was not brought to an end is none.
    transition(
        connection, build.id, Event.REQUEUE, now,
        message=message or f"The builder {build.builder} handed it back.", forgiven=forgiven + 1,
        reason=None, command=None, exit_code=None, not_before=None, lease_expires_at=None, builder=None,
    )  # fmt: skip


def _published(connection: Connection, build: Build, version: str) -> set[str]:
    """The digests of what bears `version` already."""
    recipe = leases.details_of(connection, [build.id])[build.id].recipe
    return published.digests(connection, build, recipe, version)


def _require_whole(connection: Connection, key: LeaseKey, said: Finish) -> None:
    if not said.artifacts:
        raise Conflict("A build that made no package cannot be published.")
    there = uploads.whole(connection, key.build, key.attempt)
    missing = [
        artifact.file_name
        for artifact in said.artifacts
        if there.get(artifact.file_name) != (artifact.size, artifact.sha256)
    ]
    if missing:
        raise Conflict(f"These artifacts have not arrived whole: {', '.join(missing)}.")
