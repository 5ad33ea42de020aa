"""Whatever happens in whatever order, the queue is where a simple model says: nothing is stuck, doubled or too early."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import create_engine, select
from sqlalchemy.pool import StaticPool

from quarters.model.build import BROKEN, OPEN, SATISFIED, Event, Outcome, Reason, State
from quarters.model.builder import Builder, BuilderState
from quarters.model.errors import LeaseLost
from quarters.model.recipe import NeedKind
from quarters.model.repository import Repository
from quarters.planning.retries import DEFAULTS
from quarters.protocol.builds import Finish, LeaseKey
from quarters.scheduler import claims, finishing
from quarters.scheduler.claims import Claimed
from quarters.scheduler.selection import Rules
from quarters.storage import builders, builds, leases, needs, repositories, requests
from quarters.storage.schema import builds as rows
from quarters.storage.schema import metadata
from tests.contracts.farm import recipe

_QUEUED = frozenset({State.WAITING, State.BLOCKED, State.READY})
_LASTS = timedelta(seconds=15)


class _Known:
    """What the model knows of one build; a queued build's state follows from what it needs."""

    def __init__(self, rank: int, prerequisites: Iterable[int]) -> None:
        self.rank = rank
        self.needs = set(prerequisites)
        self.state = State.WAITING
        self.lease: LeaseKey | None = None
        self.lost: LeaseKey | None = None
        """The lease of the last attempt, if that was lost."""
        self.expires = datetime.max.replace(tzinfo=UTC)
        self.tries = 0
        self.again = datetime.min.replace(tzinfo=UTC)


class Queue(RuleBasedStateMachine):
    """Builds that need builds of a lower rank; the rank stays when a newer build takes the place of one."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
        self.known: dict[int, _Known] = {}
        self.over: list[tuple[LeaseKey, str]] = []
        """Leases of attempts that have ended, with how."""
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            repositories.add(connection, Repository(name="extra"), self.now)
            self.request = requests.add(connection, "extra", "x86_64", "ann", (), self.now)

    def teardown(self) -> None:
        self.engine.dispose()

    @rule(data=st.data())
    def someone_wants_something_new(self, data: st.DataObject) -> None:
        rank = max((one.rank for one in self.known.values()), default=0) + 1
        self._add(rank, self._some_below(rank, data), ())

    @precondition(lambda self: bool(self._replaceable()))
    @rule(data=st.data())
    def a_newer_recipe_takes_a_place(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(self._replaceable()))
        rank = self.known[old].rank
        self._add(rank, self._some_below(rank, data), (old,))

    @rule(free=st.integers(1, 3), limit=st.sampled_from([0, 0, 1, 2, 4]))
    def a_builder_asks(self, free: int, limit: int) -> None:
        builder = Builder(
            name="anvil", arches=("x86_64",), slots=9, state=BuilderState.ENABLED, last_seen=self.now
        )
        with self.engine.begin() as connection:
            found = claims.claim(connection, builder, free, _LASTS, _LASTS, Rules(limit=limit))
        possible = [
            n for n in self.known if self._state(n) is State.READY and self.known[n].again <= self.now
        ]
        room = max(0, limit - len(self._in(State.RUNNING))) if limit else free
        assert len(found) == min(free, room, len(possible))
        for one in found:
            assert one.build.id in possible
            self._begin(one)

    @precondition(lambda self: bool(self._in(State.RUNNING)))
    @rule(data=st.data())
    def a_builder_says_that_it_is_alive(self, data: st.DataObject) -> None:
        known = self.known[data.draw(st.sampled_from(self._in(State.RUNNING)))]
        assert known.lease is not None
        known.expires = self.now + _LASTS
        with self.engine.begin() as connection:
            leases.standing(connection, known.lease.build, known.lease.attempt, known.lease.lease)
            leases.renew(connection, known.lease.build, known.expires)

    @precondition(lambda self: bool(self.over))
    @rule(data=st.data())
    def nothing_counts_that_is_said_under_an_old_lease(self, data: st.DataObject) -> None:
        lease, outcome = data.draw(st.sampled_from(self.over))
        other = Outcome.TIMED_OUT if outcome != Outcome.TIMED_OUT else Outcome.SKIPPED
        with self.engine.begin() as connection:
            with pytest.raises(LeaseLost):
                leases.standing(connection, lease.build, lease.attempt, lease.lease)
            with pytest.raises(LeaseLost):
                finishing.finish(connection, lease, Finish(outcome=other, steps=()), self.now)

    @precondition(lambda self: bool(self._lost()))
    @rule(data=st.data())
    def who_lost_a_build_gets_it_back_only_where_nobody_has_begun_it(self, data: st.DataObject) -> None:
        lost = data.draw(st.sampled_from(self._lost()))
        possible = self._state(lost.build) is State.READY
        with self.engine.begin() as connection:
            if not possible:
                with pytest.raises(LeaseLost):
                    claims.resume(connection, lost, _LASTS, self.now)
                return
            again, repeated = (claims.resume(connection, lost, _LASTS, self.now) for _ in range(2))
        assert again.lease == repeated.lease
        self._begin(again)

    @precondition(lambda self: bool(self._in(State.RUNNING)))
    @rule()
    def the_builder_is_disabled_for_a_moment(self) -> None:
        with self.engine.begin() as connection:
            taken = finishing.disable(connection, "anvil", self.now)
            builders.set_state(connection, "anvil", BuilderState.ENABLED, self.now)
        assert taken == self._in(State.RUNNING)
        for number in taken:
            self._end(number, Outcome.HANDED_BACK)
            known = self.known[number]
            known.state, known.again, known.tries = State.READY, self.now, known.tries - 1

    @precondition(lambda self: bool(self._in(State.RUNNING)))
    @rule(data=st.data(), outcome=st.sampled_from([Outcome.SKIPPED, Outcome.TIMED_OUT, Outcome.FAILED]))
    def a_builder_finishes(self, data: st.DataObject, outcome: Outcome) -> None:
        number = data.draw(st.sampled_from(self._in(State.RUNNING)))
        reason = data.draw(st.sampled_from([Reason.BUILD_FAILED, Reason.INTERNAL_ERROR]))
        known = self.known[number]
        assert known.lease is not None
        said = Finish(outcome=outcome, steps=(), reason=reason if outcome is Outcome.FAILED else None)
        for _ in range(2):
            with self.engine.begin() as connection:
                finishing.finish(connection, known.lease, said, self.now)
        self._end(number, outcome)
        if outcome is Outcome.FAILED:
            self._fail(known, reason)
        else:
            known.state = State.SKIPPED if outcome is Outcome.SKIPPED else State.TIMED_OUT

    @precondition(lambda self: bool(self._in(State.RUNNING)))
    @rule(data=st.data(), good=st.booleans())
    def a_build_is_uploaded_and_published_or_rejected(self, data: st.DataObject, good: bool) -> None:
        number = data.draw(st.sampled_from(self._in(State.RUNNING)))
        with self.engine.begin() as connection:
            leases.end_attempt(connection, builds.get(connection, number), Outcome.BUILT, self.now)
            builds.transition(connection, number, Event.UPLOADED, self.now)
            if good:
                builds.succeed(connection, number, self.now)
            else:
                builds.fail(connection, number, Reason.PUBLISH_REJECTED, "No.", self.now)
        self._end(number, Outcome.BUILT)
        self.known[number].state = State.SUCCEEDED if good else State.FAILED

    @rule(seconds=st.sampled_from([1, 10, 100, 100_000]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        with self.engine.begin() as connection:
            lost = finishing.lose_expired(connection, self.now)
        assert sorted(lost) == [n for n in self._in(State.RUNNING) if self.known[n].expires < self.now]
        for number in lost:
            self._end(number, leases.LOST)
            self.known[number].lost = self.known[number].lease
            self._fail(self.known[number], Reason.BUILDER_LOST)

    @precondition(lambda self: bool(self._open()))
    @rule(data=st.data())
    def a_person_cancels(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self._open()))
        with self.engine.begin() as connection:
            builds.cancel(connection, number, self.now, "Cancelled.")
        if self._state(number) is State.RUNNING:
            self._end(number, "cancelled")
        self.known[number].state = State.CANCELLED

    @precondition(lambda self: bool(self._retriable()))
    @rule(data=st.data())
    def a_person_tries_again(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self._retriable()))
        with self.engine.begin() as connection:
            builds.retry(connection, number, self.now, "ann")
        known = self.known[number]
        known.state, known.tries, known.again = State.WAITING, 0, self.now

    @invariant()
    def every_build_is_where_it_has_to_be(self) -> None:
        with self.engine.begin() as connection:
            query = select(rows.c.id, rows.c.state, rows.c.not_before)
            found = {row.id: (State(row.state), row.not_before) for row in connection.execute(query)}
        assert {number: state for number, (state, _) in found.items()} == {
            number: self._state(number) for number in self.known
        }
        for number, (state, not_before) in found.items():
            if state is State.READY:
                assert max(not_before or self.now, self.now) == max(self.known[number].again, self.now)

    def _state(self, number: int) -> State:
        known = self.known[number]
        if known.state not in _QUEUED:
            return known.state
        around = {self._state(prerequisite) for prerequisite in known.needs}
        if around & BROKEN:
            return State.BLOCKED
        return State.READY if around <= SATISFIED else State.WAITING

    def _in(self, *states: State) -> list[int]:
        return [number for number in self.known if self._state(number) in states]

    def _open(self) -> list[int]:
        return self._in(*OPEN)

    def _newest(self) -> set[int]:
        return {max(n for n, one in self.known.items() if one.rank == rank) for rank in self._ranks()}

    def _ranks(self) -> set[int]:
        return {one.rank for one in self.known.values()}

    def _replaceable(self) -> list[int]:
        return sorted(self._newest() - set(self._in(*SATISFIED)))

    def _retriable(self) -> list[int]:
        return sorted(self._newest() & set(self._in(*(BROKEN - OPEN))))

    def _some_below(self, rank: int, data: st.DataObject) -> set[int]:
        below = sorted(n for n in self._newest() if self.known[n].rank < rank)
        return data.draw(st.sets(st.sampled_from(below), max_size=3)) if below else set()

    def _lost(self) -> list[LeaseKey]:
        return [known.lost for known in self.known.values() if known.lost is not None]

    def _begin(self, claimed: Claimed) -> None:
        known, lease = self.known[claimed.build.id], claimed.lease
        known.state, known.expires, known.lost = State.RUNNING, lease.expires_at, None
        known.lease = LeaseKey(lease.build, lease.attempt, lease.token)
        known.tries += 1

    def _end(self, number: int, outcome: str) -> None:
        lease = self.known[number].lease
        assert lease is not None
        self.over.append((lease, outcome))

    def _fail(self, known: _Known, reason: Reason) -> None:
        again = DEFAULTS.at(reason, known.tries, self.now)
        known.state = State.FAILED if again is None else State.READY
        known.again = again or self.now

    def _add(self, rank: int, prerequisites: set[int], old: tuple[int, ...]) -> None:
        row = _row(rank, self.request, self.now)
        with self.engine.begin() as connection:
            builds.supersede(connection, [number for number in old if self._state(number) in OPEN], self.now)
            (new,) = requests.insert_builds(connection, [row])
            needs.move_needs(connection, dict.fromkeys(old, new))
            needs.add(connection, ((new, number, "it", NeedKind.DEPENDS) for number in prerequisites))
            needs.unblock_dependents(connection, [new], self.now)
            needs.settle(connection, [new], self.now)
        for number in old:
            moves = {n for n, one in self.known.items() if number in one.needs}
            for dependent in moves & set(self._in(*(OPEN | BROKEN))):
                self.known[dependent].needs ^= {number, new}
            if self._state(number) in OPEN:
                self.known[number].state = State.SUPERSEDED
        self.known[new] = _Known(rank, prerequisites)


def _row(rank: int, request: int, now: datetime) -> dict[str, Any]:
    one = recipe(f"p{rank}")
    return {
        "request_id": request, "repository": "extra", "arch": "x86_64", "pkgbase": one.pkgbase, "source": "tree",
        "path": "", "revision": "", "version": "1-1", "fingerprint": "", "recipe": one.recipe, "cause": "requested",
        "requester": "ann", "packager": "ann", "created_at": now,
    }  # fmt: skip


Queue.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestQueue = Queue.TestCase
