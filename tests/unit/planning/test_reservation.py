"""Room for large builds: small ones go first only while they do not put them off."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from quarters.model.build import Build
from quarters.model.builder import Builder, BuilderState
from quarters.planning.assignment import Ready, choose
from quarters.planning.farm import Farm, Host
from quarters.planning.reservation import PATIENCE, Running, expected_end
from tests.unit.planning.recipes import NOW, build

GIB = 1 << 30
ANVIL = Builder(
    name="anvil", arches=("x86_64",), slots=4, state=BuilderState.ENABLED, last_seen=NOW, memory=8 * GIB
)
SOON = Running(6 * GIB, ends_at=NOW + timedelta(minutes=10))


def given_out(*ready: Build, running: tuple[Running, ...] = (SOON,)) -> list[int]:
    host = Host(builder=ANVIL, free=4 - len(running), memory=sum(it.memory for it in running))
    found = choose(host, [Ready(build=it) for it in ready], Farm(), NOW, running=running)
    return [it.id for it in found]


def large(waited: timedelta = PATIENCE) -> Build:
    return build(id=1, memory=7 * GIB, created_at=NOW - waited)


def small(number: int = 2, minutes: int = 60, gib: int = 2) -> Build:
    return build(id=number, memory=gib * GIB, duration=minutes * 60, created_at=NOW)


def test_what_would_put_off_a_build_that_has_waited_long_is_held_back() -> None:
    assert given_out(large(), small()) == []


def test_what_is_over_before_there_is_room_goes_first() -> None:
    assert given_out(large(), small(minutes=10)) == [2]


def test_what_fits_beside_the_large_build_goes_first_as_long_as_there_is_room_for_both() -> None:
    assert given_out(large(), small(2, gib=1), small(3, gib=1)) == [2]


def test_room_is_kept_only_for_what_has_waited_long() -> None:
    assert given_out(large(waited=PATIENCE / 2), small()) == [2]


def test_what_is_more_urgent_than_the_large_build_does_not_wait_for_it() -> None:
    assert given_out(large(), build(id=2, memory=2 * GIB, priority=1, created_at=NOW)) == [2]


def test_what_should_have_ended_long_ago_is_taken_to_end_at_any_moment() -> None:
    overdue = Running(6 * GIB, ends_at=NOW - timedelta(hours=1))
    assert given_out(large(), small(minutes=1), running=(overdue,)) == []


@settings(deadline=None)
@given(st.lists(st.integers(60, 7200), min_size=40, max_size=40), st.integers(1, 4))
def test_an_endless_stream_of_small_builds_starves_no_large_one(lasts: list[int], gib: int) -> None:
    """However wrong the expected times are, it begins soon after what ran when its patience ended."""
    ends = NOW + timedelta(seconds=lasts[0])
    running, number = {0: (ends, Running(GIB, ends_at=ends))}, 1
    now, the_large = NOW, build(id=1, memory=8 * GIB, created_at=NOW)
    while now < NOW + PATIENCE + timedelta(hours=3):
        there = [it for _, it in running.values()]
        host = Host(builder=ANVIL, free=4 - len(there), memory=sum(it.memory for it in there))
        stream = [build(id=number + n, memory=gib * GIB, duration=300, created_at=now) for n in range(1, 5)]
        chosen = choose(host, [Ready(build=it) for it in (the_large, *stream)], Farm(), now, running=there)
        if the_large in chosen:
            return
        for it in chosen:
            ends = now + timedelta(seconds=lasts[it.id % len(lasts)])
            running[it.id] = ends, Running(it.memory, it.disk, ends_at=expected_end(it, now))
        number += len(chosen)
        now = min(ends for ends, _ in running.values())
        running = {it: (ends, one) for it, (ends, one) in running.items() if ends > now}
    raise AssertionError("it never began")
