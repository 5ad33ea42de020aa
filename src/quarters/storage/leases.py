"""Leases: which builder works on which attempt of a build, until when, and how far it is."""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, bindparam, insert, or_, select, text, update

from quarters.model.build import Build, Event, Outcome, Reason, State, StepRecord
from quarters.model.builder import Lease
from quarters.model.errors import LeaseLost
from quarters.model.recipe import Recipe
from quarters.model.repository import Repository
from quarters.planning.farm import Needed
from quarters.planning.order import ASSUMED_DURATION
from quarters.planning.reservation import Running
from quarters.storage.builds import build_of
from quarters.storage.events import record
from quarters.storage.schema import attempts, builds, repositories
from quarters.storage.transitions import transition_all

_LOADS = select(builds.c.builder, builds.c.memory, builds.c.disk).where(text("builds.state = 'running'"))
_LOADS_OF_ONE = _LOADS.where(builds.c.builder == bindparam("of"))
_ENDS = _LOADS_OF_ONE.add_columns(builds.c.started_at, builds.c.duration)


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt that a lease is for; `outcome` is "" until the attempt has ended."""

    build: Build
    forgiven: int
    """Attempts before a person asked for another try."""
    outcome: str
    format: str
    """Of the repository that the build is for."""

    @property
    def tries(self) -> int:
        """The number of this attempt since the build was queued or last retried by a person, from 1."""
        return self.build.attempt - self.forgiven


# Statements of every heartbeat and every end are made once: making one takes longer than running it.
_HELD = (
    select(
        *(builds.c[name] for name in Build.__struct_fields__),
        builds.c.forgiven,
        attempts.c.outcome,
        repositories.c.settings,
    )
    .join(attempts, attempts.c.build == builds.c.id)
    .join(repositories, repositories.c.name == builds.c.repository)
    .where(
        builds.c.id == bindparam("its_build"),
        attempts.c.number == bindparam("its_number"),
        attempts.c.lease_hash == bindparam("its_hash"),
    )
)
_DETAILS = (
    select(builds.c.id, builds.c.recipe, repositories.c.settings, repositories.c.current)
    .join(repositories, repositories.c.name == builds.c.repository)
    .where(builds.c.id.in_(bindparam("its_ids", expanding=True)))
)
_GRANT = insert(attempts)
_THE_BUILD = update(builds).where(builds.c.id == bindparam("its_build"))
_RENEW = _THE_BUILD.values(lease_expires_at=bindparam("expires_at"))
_BEGIN_STEP = _THE_BUILD.values(step=bindparam("begun"))
_THE_ATTEMPT = update(attempts).where(
    attempts.c.build == bindparam("its_build"), attempts.c.number == bindparam("its_number")
)
_NOTE_STEPS = _THE_ATTEMPT.values(steps=bindparam("made"))
_END = _THE_ATTEMPT.values(ended_at=bindparam("now"), outcome=bindparam("said"), reason=bindparam("why"))
_NEXT = builds.c.attempt + 1
LOST = "lost"
"""The outcome of an attempt whose builder went silent."""


class RecipePlace(msgspec.Struct, frozen=True):
    """Where a build's recipe is: a folder in a revision of a source."""

    source: str
    path: str
    revision: str


def grant(
    connection: Connection, granted: Sequence[Lease], builder: str, expires_at: datetime, now: datetime
) -> None:
    """Give ready builds to `builder`, each for its next attempt; of the leases' tokens only hashes are kept."""
    transition_all(
        connection, [lease.build for lease in granted], State.READY, Event.CLAIM, now,
        attempt=_NEXT, builder=builder, lease_expires_at=expires_at, started_at=now, finished_at=None,
        step=None, not_before=None, reason=None, command=None, exit_code=None, message="",
    )  # fmt: skip
    rows = [
        {
            "build": lease.build,
            "number": lease.attempt,
            "builder": builder,
            "lease_hash": _hash(lease.token),
            "started_at": now,
            "steps": [],
        }
        for lease in granted
    ]
    connection.execute(_GRANT, rows)


def loads(connection: Connection, builder: str | None = None) -> dict[str, list[Needed]]:
    """By builder, what each build that it runs needs; of one builder, or of all."""
    query, values = (_LOADS, {}) if builder is None else (_LOADS_OF_ONE, {"of": builder})
    found: dict[str, list[Needed]] = {}
    for row in connection.execute(query, values):
        found.setdefault(row.builder, []).append(Needed(row.memory, row.disk))
    return found


def running_on(connection: Connection, builder: str) -> list[Running]:
    """What `builder` runs, with when each should be over."""
    found = []
    for row in connection.execute(_ENDS, {"of": builder}):
        lasts = timedelta(seconds=row.duration or ASSUMED_DURATION)
        found.append(Running(row.memory, row.disk, ends_at=row.started_at + lasts))
    return found


class Details(msgspec.Struct, frozen=True):
    """A build's recipe as it was planned, its repository, and the number of the snapshot that this serves."""

    recipe: Recipe
    repository: Repository
    snapshot: int


def details_of(connection: Connection, ids: Collection[int]) -> dict[int, Details]:
    """By build."""
    return {
        row.id: Details(
            msgspec.convert(row.recipe, Recipe), msgspec.convert(row.settings, Repository), row.current
        )
        for row in connection.execute(_DETAILS, {"its_ids": sorted(ids)})
    }


def held(connection: Connection, build: int, attempt: int, token: str) -> Held:
    """The attempt that the lease `token` was given out for, whatever became of it; LeaseLost if it never was."""
    shown = {"its_build": build, "its_number": attempt, "its_hash": _hash(token)}
    row = connection.execute(_HELD, shown).mappings().one_or_none()
    if row is None:
        raise LeaseLost()
    return Held(
        build=build_of(row),
        forgiven=row["forgiven"],
        outcome=row["outcome"],
        format=msgspec.convert(row["settings"], Repository).format,
    )


def standing(connection: Connection, build: int, attempt: int, token: str) -> Held:
    """The attempt that the lease `token` is for, if that still stands; LeaseLost if not."""
    return still_standing(held(connection, build, attempt, token), attempt)


def still_standing(found: Held, attempt: int) -> Held:
    """`found` if that is the attempt that is being worked on; LeaseLost if not."""
    if found.outcome or found.build.state is not State.RUNNING or found.build.attempt != attempt:
        raise LeaseLost()
    return found


def recipe_place(connection: Connection, build: int) -> RecipePlace:
    """Where the recipe of a build is."""
    row = connection.execute(
        select(builds.c.source, builds.c.path, builds.c.revision).where(builds.c.id == build)
    ).one()
    return RecipePlace(row.source, row.path, row.revision)


def left(found: Held, attempt: int) -> Held:
    """`found` if that attempt was lost and nobody has begun the build anew; LeaseLost if not."""
    waits = found.build.state is State.READY and found.build.attempt == attempt
    if found.outcome != LOST or not waits:
        raise LeaseLost()
    return found


def builder_of(connection: Connection, build: int, attempt: int) -> str:
    """Who worked on an attempt."""
    query = select(attempts.c.builder).where(attempts.c.build == build, attempts.c.number == attempt)
    return str(connection.execute(query).scalar_one())


def renew(connection: Connection, build: int, expires_at: datetime) -> None:
    """Let the lease of a running build last until `expires_at`."""
    connection.execute(_RENEW, {"its_build": build, "expires_at": expires_at})


def shorten(connection: Connection, latest: datetime) -> None:
    """Let no lease last beyond `latest`: one that does was granted before the clock was set back."""
    overlong = (builds.c.state == State.RUNNING, builds.c.lease_expires_at > latest)
    connection.execute(update(builds).where(*overlong).values(lease_expires_at=latest))


def note_steps(connection: Connection, build: Build, steps: Sequence[StepRecord], now: datetime) -> None:
    """Store the steps of a build's current attempt; a new step is an event."""
    if not steps:
        return
    mine = {"its_build": build.id, "its_number": build.attempt}
    connection.execute(_NOTE_STEPS, {**mine, "made": list(steps)})
    step = steps[-1].step
    if step != build.step:
        connection.execute(_BEGIN_STEP, {"its_build": build.id, "begun": step})
        data: dict[str, str | int | None] = {
            "step": step, "attempt": build.attempt, "builder": build.builder,
            "pkgbase": build.pkgbase, "repository": build.repository, "arch": build.arch,
        }  # fmt: skip
        record(connection, now, "build.step", str(build.id), data)


def end_attempt(
    connection: Connection, build: Build, outcome: str, now: datetime, reason: Reason | None = None
) -> None:
    """Note how the current attempt of `build` ended."""
    mine = {"its_build": build.id, "its_number": build.attempt}
    connection.execute(_END, {**mine, "now": now, "said": outcome, "why": reason})


def failed_before(
    connection: Connection, build: int, builder: str, apart_from: Collection[Reason]
) -> list[str]:
    """The other builders on which earlier attempts of `build` failed, `apart_from` some reasons; each once."""
    query = (
        select(attempts.c.builder)
        .where(attempts.c.build == build, attempts.c.builder != builder)
        .where(attempts.c.outcome.in_([Outcome.FAILED, Outcome.TIMED_OUT]))
        .where(or_(attempts.c.reason.is_(None), attempts.c.reason.not_in(sorted(apart_from))))
        .distinct()
        .order_by(attempts.c.builder)
    )
    return list(connection.execute(query).scalars())


def expired(connection: Connection, now: datetime) -> list[tuple[Build, int]]:
    """Running builds whose lease ran out, with the number of attempts that are forgiven."""
    query = select(builds).where(builds.c.state == State.RUNNING, builds.c.lease_expires_at < now)
    return [(build_of(row), row["forgiven"]) for row in connection.execute(query).mappings()]


def running_at(connection: Connection, builder: str) -> list[tuple[Build, int]]:
    """What a builder is working on, with the number of attempts that are forgiven."""
    query = select(builds).where(builds.c.state == State.RUNNING, builds.c.builder == builder)
    return [
        (build_of(row), row["forgiven"]) for row in connection.execute(query.order_by(builds.c.id)).mappings()
    ]


def current_attempts(connection: Connection) -> set[tuple[int, int]]:
    """The attempts (build, number) whose uploads are still needed: running, or being published."""
    states = [State.RUNNING, State.PUBLISHING]
    query = select(builds.c.id, builds.c.attempt).where(builds.c.state.in_(states))
    return {(row.id, row.attempt) for row in connection.execute(query)}


def steps_of(connection: Connection, build: int, attempt: int) -> tuple[StepRecord, ...]:
    """The steps of one attempt so far."""
    query = select(attempts.c.steps).where(attempts.c.build == build, attempts.c.number == attempt)
    return msgspec.convert(connection.execute(query).scalar() or [], tuple[StepRecord, ...])


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
