"""The only writer of `builds.state`: every change goes through the model's table, and into the event log."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import ClauseElement, ColumnElement, Connection, FromClause, Row, bindparam, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from quarters.model.build import TRANSITIONS, Event, State, after
from quarters.model.errors import NotFound, StateChangeRefused
from quarters.storage.events import Data, record_all
from quarters.storage.schema import builds

_TOLD = tuple(
    builds.c[name] for name in ("id", "pkgbase", "repository", "arch", "created_at", "started_at", "reason")
)
_OLD = {event: [state for state, it in TRANSITIONS if it is event] for event in Event}
_AT_ONCE = 1000
"""Most ids in one statement; SQLite and PostgreSQL take some ten thousand parameters."""


def transition(connection: Connection, /, build: int, event: Event, now: datetime, **columns: Any) -> State:
    """Let `event` happen to one build and set `columns` with it; StateChangeRefused if its state does not allow it."""
    olds = _OLD[event]
    # Where only one state allows it, whether it is in that one shows when it is changed.
    old = olds[0] if len(olds) == 1 else state_of(connection, build)
    try:
        return transition_all(connection, [build], old, event, now, **columns)
    except StateChangeRefused:
        after(state_of(connection, build), event)  # says it better: in which state it really is
        raise


def transition_all(
    connection: Connection, /, ids: Collection[int], old: State, event: Event, now: datetime, **columns: Any
) -> State:
    """Let `event` happen to all of `ids`, which are all in the state `old`; dependents are not looked at."""
    new = after(old, event)
    changed: list[Row[Any]] = []
    plain = {name: value for name, value in columns.items() if not isinstance(value, ClauseElement)}
    worked_out = tuple((name, columns[name]) for name in columns if name not in plain)
    for some in chunks(sorted(ids)):
        statement = _change(tuple(plain), worked_out, several=len(some) > 1)
        values = {f"new_{name}": value for name, value in plain.items()}
        which = some if len(some) > 1 else some[0]
        rows = connection.execute(
            statement, {"its_id": which, "its_state": old, "new_state": new, **values}
        ).all()
        if len(rows) != len(some):
            raise StateChangeRefused(f"A build that was to {event.replace('_', ' ')} is no longer {old}.")
        changed += rows
    changed.sort(key=lambda row: int(row.id))
    record_all(connection, now, f"build.{new}", ((str(row.id), _told(row, old, new, now)) for row in changed))
    return new


@cache
def _change(
    plain: tuple[str, ...], worked_out: tuple[tuple[str, ClauseElement], ...], *, several: bool
) -> ReturningUpdate[Any]:
    """The statement that changes these columns, made once: making it takes longer than running it."""
    its_id = bindparam("its_id", type_=builds.c.id.type, expanding=several)
    values: dict[str, Any] = {name: bindparam(f"new_{name}", type_=builds.c[name].type) for name in plain}
    return (
        update(builds)
        .where(
            builds.c.id.in_(its_id) if several else builds.c.id == its_id,
            builds.c.state + "" == bindparam("its_state"),  # see is_in
        )
        .values(state=bindparam("new_state"), **values, **dict(worked_out))
        .returning(*_TOLD)
    )


def _told(row: Row[Any], old: State, new: State, now: datetime) -> Data:
    """What the event of a build says; times in milliseconds."""
    data: Data = {"pkgbase": row.pkgbase, "repository": row.repository, "arch": row.arch, "from": old}
    if new is State.RUNNING:
        data["waited_ms"] = _ms(now - row.created_at)
    elif old is State.RUNNING and row.started_at is not None:
        data["took_ms"] = _ms(now - row.started_at)
    if row.reason is not None:
        data["reason"] = row.reason
    return data


def _ms(delta: timedelta) -> int:
    return max(0, delta // timedelta(milliseconds=1))


def is_in(table: FromClause, states: Collection[State]) -> ColumnElement[bool]:
    """Whether a row of `builds` that is already found by its number is in one of `states`.

    Written so that no index on the state helps: SQLite would walk through every build of that state instead.
    """
    return (table.c.state + "").in_(sorted(states))


def state_of(connection: Connection, build: int) -> State:
    """The state of a build; NotFound if there is none of that number."""
    state = connection.execute(select(builds.c.state).where(builds.c.id == build)).scalar_one_or_none()
    if state is None:
        raise NotFound(f"There is no build {build}.")
    return State(state)


def chunks(ids: Collection[int]) -> Iterator[Sequence[int]]:
    """`ids` in portions that fit into one statement."""
    rest = iter(ids)
    while some := tuple(islice(rest, _AT_ONCE)):
        yield some
