"""Nothing starves: however urgent, however short-changed its source, what is asked for late enough comes later."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from quarters.model.builder import Builder, BuilderState
from quarters.planning.assignment import Ready, choose
from quarters.planning.farm import Farm, Host
from quarters.planning.order import ASSUMED_DURATION, PRIORITIES, STEP, due, remaining_path
from quarters.planning.shares import HALF_LIFE, Service, handicap
from tests.unit.planning.recipes import NOW, build

LONGEST = 30 * 86_400
PATIENCE = (PRIORITIES[-1] - PRIORITIES[0] + 1) * STEP + timedelta(seconds=LONGEST)
"""Nothing that is asked for so much later than a build comes before it."""
ANVIL = Builder(name="anvil", arches=("x86_64",), slots=1, state=BuilderState.ENABLED, last_seen=NOW)
priorities = st.integers(PRIORITIES[0], PRIORITIES[-1])
paths = st.integers(0, LONGEST)
sources = st.sampled_from("abc")
served = st.dictionaries(sources, st.floats(0, 1e9))


@st.composite
def ready(draw: st.DrawFn, number: int, earliest: timedelta = timedelta()) -> Ready:
    created = NOW + earliest + timedelta(seconds=draw(st.integers(0, 10**7)))
    one = build(id=number, source=draw(sources), priority=draw(priorities), created_at=created)
    return Ready(build=one, path=draw(paths))


@given(data=st.data(), had=served, priority=priorities, path=paths, source=sources)
def test_what_is_asked_for_late_enough_never_comes_before_what_waits(
    data: st.DataObject, had: dict[str, float], priority: int, path: int, source: str
) -> None:
    old = Ready(build=build(id=1, source=source, priority=priority), path=path)
    late = [data.draw(ready(number, PATIENCE + timedelta(seconds=1))) for number in range(2, 6)]
    chosen = choose(Host(builder=ANVIL, free=1), [*late, old], Farm(served=had), NOW)
    assert [one.id for one in chosen] == [1]


@given(data=st.data(), waited=st.integers(0, 10**6))
def test_the_order_of_two_builds_of_a_source_never_changes_by_waiting(
    data: st.DataObject, waited: int
) -> None:
    entries = [data.draw(ready(number)) for number in (1, 2)]
    host = Host(builder=ANVIL, free=2)
    later = NOW + timedelta(seconds=waited)
    assert choose(host, entries, Farm(), NOW) == choose(host, entries, Farm(), later)


@given(st.integers(-50, 50), paths, st.integers(0, 10**6))
def test_a_step_of_priority_makes_up_for_a_month_of_waiting(priority: int, path: int, waited: int) -> None:
    asked = NOW + timedelta(seconds=waited)
    assert due(asked, priority + 1, path) == due(asked - STEP, priority, path)
    assert due(asked, priority, path + 60) == due(asked, priority, path) - timedelta(minutes=1)


@given(served, st.sets(sources, min_size=1))
def test_a_handicap_is_at_most_a_step_of_priority_and_never_for_everybody(
    had: dict[str, float], competing: set[str]
) -> None:
    late = [handicap(source, had, competing) for source in competing]
    assert min(late) == timedelta()
    assert max(late) <= STEP


def test_an_equal_share_is_no_reason_to_wait() -> None:
    assert handicap("a", {"a": 50.0, "b": 50.0}, {"a", "b"}) == timedelta()
    assert handicap("a", {"a": 75.0, "b": 25.0}, {"a", "b"}) == STEP / 2
    assert handicap("b", {"a": 75.0, "b": 25.0}, {"a", "b"}) == timedelta()
    assert handicap("a", {"a": 75.0}, {"b"}) == timedelta(), "who wants nothing has no share"


def test_what_a_source_was_given_is_forgotten_with_time() -> None:
    had = Service(3600.0, NOW)
    assert had.remembered(NOW + HALF_LIFE) == 1800
    assert had.more(200, NOW + HALF_LIFE) == Service(2000.0, NOW + HALF_LIFE)
    assert had.remembered(NOW + 99 * HALF_LIFE) == 0
    assert had.remembered(NOW - HALF_LIFE) == 3600, "a clock may be set back"


def test_builders_are_shared_evenly_between_sources_that_always_want_something() -> None:
    had = {source: Service(0.0, NOW) for source in "abc"}
    counts = dict.fromkeys("abc", 0)
    moment = NOW
    for number in range(300):
        asked = {"a": NOW - timedelta(hours=20), "b": NOW, "c": moment}
        waiting = [
            Ready(build=build(id=number + 1, source=source, duration=600, created_at=at))
            for source, at in asked.items()
        ]
        farm = Farm(served={source: one.remembered(moment) for source, one in had.items()})
        (chosen,) = choose(Host(builder=ANVIL, free=1), waiting, farm, moment)
        counts[chosen.source] += 1
        had[chosen.source] = had[chosen.source].more(600, moment)
        moment += timedelta(minutes=10)
    assert min(counts.values()) > 60, counts


def test_the_remaining_path_is_the_longest_chain_in_seconds_that_begins_with_a_build() -> None:
    needs = {4: [2, 3], 3: [1], 5: [4], 2: [], 1: []}
    durations = {1: 10, 2: 1000, 3: 20, 4: 30}
    assert remaining_path(needs, durations) == {
        5: ASSUMED_DURATION,
        4: 30 + ASSUMED_DURATION,
        3: 50 + ASSUMED_DURATION,
        1: 60 + ASSUMED_DURATION,
        2: 1030 + ASSUMED_DURATION,
    }
