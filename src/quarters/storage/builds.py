"""Builds: how they end and begin again, and what that means for those that need them; each call belongs in a transaction."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, exists, select, update

from quarters.model.build import OPEN, Build, Cause, Event, Reason, State
from quarters.model.errors import Conflict, NotFound
from quarters.model.recipe import Recipe
from quarters.storage import needs, wishes
from quarters.storage.schema import artifacts, attempts, builds
from quarters.storage.transitions import chunks, state_of, transition, transition_all

__all__ = [
    "Artifact",
    "Uploaded",
    "abandon",
    "broken",
    "build_of",
    "cancel",
    "cancel_all",
    "fail",
    "get",
    "listed",
    "open_build",
    "publishing",
    "retry",
    "skip",
    "state_of",
    "succeed",
    "supersede",
    "time_out",
    "transition",
]

_RETRIED = sorted({State.FAILED, State.TIMED_OUT, State.CANCELLED})
"""States that a retry leads out of."""
_FIELDS = msgspec.structs.fields(Build)


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an attempt, as its builder announced it and as it was received; `version` is what it bears."""

    file_name: str
    size: int
    sha256: str
    version: str
    signature: bytes | None = None


class Uploaded(msgspec.Struct, frozen=True, kw_only=True):
    """A build whose artifacts are all here, to be published: files of `build.attempt` in the incoming folder."""

    build: Build
    recipe: Recipe
    path: str
    revision: str
    artifacts: tuple[Artifact, ...]


def build_of(row: RowMapping) -> Build:
    """A row of `builds` as the model has it."""
    return msgspec.convert({field.name: row[field.name] for field in _FIELDS}, Build)


def get(connection: Connection, build: int) -> Build:
    """One build; NotFound if there is none of that number."""
    row = connection.execute(select(builds).where(builds.c.id == build)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no build {build}.")
    return build_of(row)


def open_build(connection: Connection, build: Build) -> int | None:
    """The unfinished build of the same recipe for the same repository and architecture, if there is one."""
    query = select(builds.c.id).where(
        builds.c.repository == build.repository,
        builds.c.pkgbase == build.pkgbase,
        builds.c.arch == build.arch,
        builds.c.state.in_(sorted(OPEN)),
    )
    return connection.execute(query).scalar_one_or_none()


def listed(
    connection: Connection,
    matching: Mapping[str, str],
    *,
    request: int | None = None,
    since: datetime | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Build]:
    """Builds whose columns are as in `matching`, newest first, those created `since` then, with a number below `before`."""
    conditions: list[ColumnElement[bool]] = [builds.c[name] == value for name, value in matching.items()]
    if since is not None:
        conditions.append(builds.c.created_at >= since)
    if request is not None:
        conditions.append(builds.c.id.in_(wishes.wanted_by(request)))
    if before is not None:
        conditions.append(builds.c.id < before)
    query = select(builds).where(*conditions).order_by(builds.c.id.desc()).limit(limit)
    return [build_of(row) for row in connection.execute(query).mappings()]


def publishing(connection: Connection) -> list[Uploaded]:
    """The builds that wait to be published, in the order in which they ended."""
    query = select(builds).where(builds.c.state == State.PUBLISHING).order_by(builds.c.id)
    rows = connection.execute(query).mappings().all()
    return [
        Uploaded(
            build=build_of(row),
            recipe=msgspec.convert(row["recipe"], Recipe),
            path=row["path"],
            revision=row["revision"],
            artifacts=_artifacts(connection, row["id"], row["attempt"]),
        )
        for row in rows
    ]


def postpone(connection: Connection, build: int, message: str, not_before: datetime) -> None:
    """A build stays where it is until `not_before`, and says why."""
    connection.execute(
        update(builds).where(builds.c.id == build).values(message=message, not_before=not_before)
    )


def succeed(connection: Connection, /, build: int, now: datetime, **columns: Any) -> None:
    """A build is published: it succeeded, and what waited only for it becomes ready."""
    _end(connection, build, Event.PUBLISHED, now, **columns)
    needs.release_dependents(connection, build, now)


def skip(connection: Connection, build: int, now: datetime, message: str) -> None:
    """A build turned out to be published already; for its dependents that is as good as a success."""
    _end(connection, build, Event.SKIP, now, message=message)
    needs.release_dependents(connection, build, now)


def fail(
    connection: Connection, /, build: int, reason: Reason, message: str, now: datetime, **columns: Any
) -> None:
    """A build failed for good: it says why, and all that need it are blocked; `columns` may hold command, exit_code."""
    _end(connection, build, Event.FAIL, now, reason=reason, message=message, **columns)
    needs.block_dependents(connection, build, now)


def time_out(connection: Connection, /, build: int, message: str, now: datetime, **columns: Any) -> None:
    """A build took longer than it may; all that need it are blocked."""
    _end(connection, build, Event.TIME_OUT, now, message=message, **columns)
    needs.block_dependents(connection, build, now)


def cancel(connection: Connection, build: int, now: datetime, message: str) -> None:
    """A person wants a build no more; its lease, if any, is lost, and all that need it are blocked."""
    _end_attempt(connection, build, now, "cancelled")
    _end(connection, build, Event.CANCEL, now, message=message)
    needs.block_dependents(connection, build, now)


def cancel_all(connection: Connection, ids: Collection[int], now: datetime, message: str) -> None:
    """A person wants these builds no more; those that are over stay as they are, what needs the others is blocked."""
    unfinished = [build for state in OPEN for build in needs.in_state(connection, ids, state)]
    _end_all(connection, unfinished, Event.CANCEL, now, message)
    for build in unfinished:
        needs.block_dependents(connection, build, now)


def abandon(connection: Connection, ids: Collection[int], now: datetime, message: str) -> None:
    """Cancel what has no recipe any more; should that come back as it was, it counts as one that was never built."""
    cancel_all(connection, ids, now, message)
    for some in chunks(sorted(ids)):
        connection.execute(update(builds).where(builds.c.id.in_(some)).values(fingerprint=""))


def supersede(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Newer recipes take the place of these builds; the caller moves their dependents to the new ones."""
    _end_all(connection, ids, Event.SUPERSEDE, now, "A build of a newer recipe took its place.")


def _end_all(connection: Connection, ids: Collection[int], event: Event, now: datetime, message: str) -> None:
    for state in OPEN:
        mine = needs.in_state(connection, ids, state)
        transition_all(connection, mine, state, event, now, message=message, **_ended(now))
        if state is State.RUNNING:
            for build in mine:
                _end_attempt(connection, build, now, "cancelled")


def broken(
    connection: Connection,
    *,
    reason: Reason | None = None,
    repository: str | None = None,
    request: int | None = None,
) -> tuple[list[int], list[int]]:
    """Builds that failed, timed out or were cancelled: the latest of their recipes, and those that have a later one.

    Of what is given, all has to hold; `request` is one that wants or wanted the build.
    """
    later = builds.alias("later")
    overtaken = exists().where(
        later.c.repository == builds.c.repository,
        later.c.pkgbase == builds.c.pkgbase,
        later.c.arch == builds.c.arch,
        later.c.id > builds.c.id,
    )
    query = select(builds.c.id, overtaken.label("overtaken")).where(builds.c.state.in_(_RETRIED))
    for column, value in ((builds.c.reason, reason), (builds.c.repository, repository)):
        if value is not None:
            query = query.where(column == value)
    if request is not None:
        query = query.where(builds.c.id.in_(wishes.wanted_by(request)))
    rows = connection.execute(query.order_by(builds.c.id)).all()
    return [row.id for row in rows if not row.overtaken], [row.id for row in rows if row.overtaken]


def retry(connection: Connection, build: int, now: datetime, why: str) -> None:
    """Try a broken build again, `why` being `by ann` or `because …`; what it blocked waits again, or is ready if it can be.

    Conflict if another build has taken its place in the queue.
    """
    one = get(connection, build)
    other = open_build(connection, one)
    if other is not None and other != build:
        raise Conflict(f"Build {other} of {one.pkgbase} is already queued; look at that one.")
    grounds = msgspec.structs.replace(one.grounds, detail=_tried_again(one, why))
    transition(
        connection, build, Event.RETRY, now, cause=Cause.RETRY, grounds=grounds,
        forgiven=one.attempt, not_before=None, finished_at=None,
        step=None, reason=None, command=None, exit_code=None, message=f"Tried again {why}.",
    )  # fmt: skip
    needs.unblock_dependents(connection, [build], now)
    needs.settle(connection, [build], now)


def _tried_again(build: Build, why: str) -> str:
    """Why it is, and what the build was there for at first."""
    first = build.grounds.detail or build.cause.replace("_", " ")
    return f"tried again {why}; at first: {first.rpartition('; at first: ')[2]}"


def _end(connection: Connection, build: int, event: Event, now: datetime, **columns: Any) -> None:
    transition(connection, build, event, now, **_ended(now), **columns)


def _ended(now: datetime) -> dict[str, datetime | None]:
    return {"finished_at": now, "lease_expires_at": None, "not_before": None}


def _end_attempt(connection: Connection, build: int, now: datetime, outcome: str) -> None:
    connection.execute(
        update(attempts)
        .where(attempts.c.build == build, attempts.c.ended_at.is_(None))
        .values(ended_at=now, outcome=outcome)
    )


def _artifacts(connection: Connection, build: int, attempt: int) -> tuple[Artifact, ...]:
    query = (
        select(artifacts)
        .where(artifacts.c.build == build, artifacts.c.attempt == attempt)
        .order_by(artifacts.c.file_name)
    )
    return tuple(
        Artifact(
            file_name=row.file_name,
            size=row.size,
            sha256=row.sha256,
            version=row.version,
            signature=row.signature,
        )
        for row in connection.execute(query)
    )
