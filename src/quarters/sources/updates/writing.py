"""What a run writes down once its changes are where they belong."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from quarters.model.build import Cause
from quarters.model.updates import UpdateState
from quarters.sources import reviews as reviewing
from quarters.sources.updates.branches import PREFIX, branches
from quarters.sources.updates.looking import Outcome
from quarters.sources.updates.pushing import Pushed
from quarters.sources.updates.subjects import upstream_of
from quarters.storage import events, sources, updates

_FIRST_WAIT = timedelta(minutes=30)
_LONGEST_WAIT = timedelta(days=1)


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run came to."""

    source: str
    outcomes: Sequence[Outcome]
    known: Collection[str]
    """The folders that the tree has."""
    pushed: Pushed = Pushed()
    taken: Sequence[int] = ()
    anew: Collection[str] = ()
    problems: Mapping[str, str] = {}
    """What went wrong after a recipe's upstream was looked at, by folder."""
    published: Mapping[str, str] = {}
    """The folders that were pushed elsewhere, by name."""
    memory: Mapping[str, str] | None = None
    """Validators; None: as they were."""
    problem: str = ""
    whole: bool = True
    """Whether all of the source's recipes were looked at, as by the clock."""


def write(connection: Connection, results: Results, now: datetime) -> None:
    """Remember what was dealt with; what was not is found again by the next run."""
    source = results.source
    states = updates.states(connection, source)
    changed = [
        state
        for outcome in results.outcomes
        if (state := _state(states.get(outcome.subject.path), outcome, results, now)) is not None
    ]
    updates.put(connection, source, changed)
    updates.forget(connection, source, states.keys() - set(results.known))
    for number in results.taken:
        reviewing.taken(connection, number)
    before = updates.run(connection, source)
    columns: dict[str, object] = {"problem": results.problem}
    if results.whole:
        columns["ended_at"] = now
    if results.memory is not None:
        columns["memory"] = dict(results.memory)
    if results.pushed.commit:
        columns |= {"commit": results.pushed.commit, "committed": results.pushed.folders}
        sources.change(connection, source, sync_wanted_at=now)
        data: events.Data = {"commit": results.pushed.commit, "recipes": len(results.pushed.folders)}
        events.record(connection, now, "source.updated", source, data)
    updates.change_run(connection, source, **columns)
    if results.problem and results.problem != before.problem:
        events.record(connection, now, "source.update_failed", source, {"problem": results.problem})
    _tell_stale(connection, source, states, changed, now)


def _state(
    before: UpdateState | None, outcome: Outcome, results: Results, now: datetime
) -> UpdateState | None:
    """What is known now, None if that is what was known."""
    subject = outcome.subject
    known = before or UpdateState(path=subject.path)
    problem = outcome.problem or results.problems.get(subject.path, "")
    failures = known.failures + 1 if problem and not outcome.lasting else 0
    wait = min(_FIRST_WAIT * 2 ** min(failures, 16), _LONGEST_WAIT)
    kept = subject.path in results.pushed.left or subject.path in results.anew
    marks = dict(subject.marks) if kept else _marks(outcome)
    if subject.path in results.anew:
        marks = {}
    if subject.path in results.published:
        marks["published"] = results.published[subject.path]
    wanted = bool(outcome.moved) and not subject.configuration.trigger
    found = msgspec.structs.replace(
        known,
        upstream=upstream_of(subject.configuration),
        marks=marks,
        problem=problem,
        failures=failures,
        retry_at=now + wait if failures else None,
        cause=Cause.SCHEDULE if wanted else known.cause,
        detail=outcome.moved if wanted else known.detail,
    )
    return None if found == known else msgspec.structs.replace(found, changed_at=now)


def _marks(outcome: Outcome) -> dict[str, str]:
    """Those found now, and of those before what still is about something."""
    subject = outcome.subject
    current = {f"{PREFIX}{url} {ref}" for url, ref in branches(subject.sources)}
    held = {**subject.marks, **outcome.marks}
    return {key: value for key, value in held.items() if not key.startswith(PREFIX) or key in current}


def _tell_stale(
    connection: Connection,
    source: str,
    before: Mapping[str, UpdateState],
    changed: Sequence[UpdateState],
    now: datetime,
) -> None:
    for state in changed:
        known = before.get(state.path)
        if state.problem and state.problem != (known.problem if known else ""):
            data: events.Data = {"recipe": state.path, "problem": state.problem}
            events.record(connection, now, "recipe.stale", source, data)
