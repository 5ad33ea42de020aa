"""What may be forgotten by now: builds that are over, requests that led to them, and events."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, select

from quarters.model.build import OPEN, TERMINAL, State
from quarters.storage.schema import build_needs, builds, events, packages, requests, successions, wishes
from quarters.storage.transitions import is_in

_dependent = builds.alias("dependent")
_newer = builds.alias("newer")


def old_builds(connection: Connection, before: datetime, kept: int, after: int, limit: int) -> Sequence[int]:
    """The first `limit` builds above the number `after` that may be forgotten.

    They ended before `before`, are not among the `kept` newest of their package base, repository and architecture, no
    package that is stored was made by them, and no unfinished build needs them.
    """
    query = select(builds.c.id).where(builds.c.id > after, _forgettable(before, kept))
    return connection.execute(query.order_by(builds.c.id).limit(limit)).scalars().all()


def forget_builds(connection: Connection, ids: Collection[int], before: datetime, kept: int) -> Sequence[int]:
    """Remove those of `ids` that may still be forgotten, with their attempts; returns which those were."""
    mine = builds.c.id.in_(sorted(ids))
    going = connection.execute(select(builds.c.id).where(mine, _forgettable(before, kept))).scalars().all()
    connection.execute(delete(builds).where(builds.c.id.in_(going)))
    return going


def old_requests(connection: Connection, before: datetime) -> Sequence[int]:
    """Requests from before `before` that want no build that is there, as far as they are not the last of who asked."""
    last = select(func.max(requests.c.id)).group_by(requests.c.repository, requests.c.requester)
    query = select(requests.c.id).where(requests.c.created_at < before, _idle(), requests.c.id.not_in(last))
    return connection.execute(query.order_by(requests.c.id)).scalars().all()


def forget_requests(connection: Connection, ids: Collection[int]) -> None:
    """Remove those of `ids` that still want no build."""
    connection.execute(delete(requests).where(requests.c.id.in_(sorted(ids)), _idle()))


def old_events(connection: Connection, before: datetime, after: int, limit: int) -> Sequence[int]:
    """The oldest `limit` events above the id `after`, as far as they happened before `before`."""
    # Ids rise with time, so that the end of what is old is found without an index on the time.
    query = select(events.c.id, events.c.at).where(events.c.id > after).order_by(events.c.id).limit(limit)
    return [row.id for row in connection.execute(query) if row.at < before]


def forget_events(connection: Connection, last: int) -> None:
    """Remove all events up to the id `last`."""
    connection.execute(delete(events).where(events.c.id <= last))


def running(connection: Connection) -> set[tuple[int, int]]:
    """The attempts (build, number) that a builder works on."""
    query = select(builds.c.id, builds.c.attempt).where(builds.c.state == State.RUNNING)
    return {(row.id, row.attempt) for row in connection.execute(query)}


def known(connection: Connection, ids: Collection[int]) -> set[int]:
    """Those of `ids` that are builds."""
    return set(connection.execute(select(builds.c.id).where(builds.c.id.in_(sorted(ids)))).scalars())


def _idle() -> ColumnElement[bool]:
    """Whether a request has led to no build that is there, joined none, and lets none follow."""
    wanted = (builds.c.request_id, wishes.c.request, successions.c.request)
    return and_(*(requests.c.id.not_in(select(column)) for column in wanted))


def _forgettable(before: datetime, kept: int) -> ColumnElement[bool]:
    newer = (
        select(func.count())
        .where(
            _newer.c.repository == builds.c.repository,
            _newer.c.pkgbase == builds.c.pkgbase,
            _newer.c.arch == builds.c.arch,
            _newer.c.id > builds.c.id,
        )
        .scalar_subquery()
    )
    awaited = exists(
        select(build_needs.c.build)
        .join(_dependent, _dependent.c.id == build_needs.c.build)
        .where(build_needs.c.needs == builds.c.id, is_in(_dependent, OPEN))
    )
    made = select(packages.c.build).where(packages.c.build.is_not(None))
    return and_(
        is_in(builds, TERMINAL),
        builds.c.finished_at < before,
        newer >= kept,
        builds.c.id.not_in(made),
        ~awaited,
    )
