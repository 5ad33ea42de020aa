"""Which builds a builder is given."""

from datetime import timedelta

import pytest

from quarters.model.build import State
from quarters.model.builder import Builder, BuilderState
from quarters.planning.assignment import Ready, choose
from tests.unit.planning.recipes import NOW, build


def builder(name: str = "one", arch: str = "x86_64", state: BuilderState = BuilderState.ENABLED) -> Builder:
    return Builder(name=name, arches=(arch,), slots=2, state=state, last_seen=NOW)


def given(
    *ready: Ready, free: int = 9, to: Builder | None = None, others: tuple[Builder, ...] = ()
) -> list[int]:
    return [chosen.id for chosen in choose(to or builder(), free, ready, others=others, now=NOW)]


def test_a_builder_gets_no_more_than_its_free_slots() -> None:
    ready = [Ready(build=build(id=number)) for number in (1, 2, 3)]
    assert given(*ready, free=2) == [1, 2]
    assert given(*ready, free=0) == []


def test_priority_comes_first_then_the_longest_path_then_age() -> None:
    old = NOW - timedelta(hours=1)
    ready = (
        Ready(build=build(id=1)),
        Ready(build=build(id=2, created_at=old)),
        Ready(build=build(id=3), path=4),
        Ready(build=build(id=4, priority=1)),
    )
    assert given(*ready) == [4, 3, 2, 1]


def test_a_builder_gets_nothing_for_another_architecture() -> None:
    assert given(Ready(build=build(arch="aarch64"))) == []


@pytest.mark.parametrize("state", [BuilderState.DRAINING, BuilderState.DISABLED])
def test_a_draining_or_disabled_builder_gets_nothing_new(state: BuilderState) -> None:
    assert given(Ready(build=build()), to=builder(state=state)) == []


def test_only_ready_builds_are_given_out() -> None:
    assert given(Ready(build=build(state=State.WAITING)), Ready(build=build(state=State.RUNNING))) == []


def test_a_build_is_held_back_until_its_time_has_come() -> None:
    assert given(Ready(build=build(not_before=NOW + timedelta(seconds=1)))) == []
    assert given(Ready(build=build(not_before=NOW))) == [1]


def test_a_lost_build_goes_to_another_builder() -> None:
    lost = Ready(build=build(), lost_by="one")
    assert given(lost, others=(builder("two"),)) == []
    assert given(lost, to=builder("two"), others=(builder("one"),)) == [1]


def test_a_lost_build_goes_back_to_the_only_builder_that_could_take_it() -> None:
    lost = Ready(build=build(), lost_by="one")
    assert given(lost) == [1]
    assert given(lost, others=(builder("arm", "aarch64"), builder("two", state=BuilderState.DRAINING))) == [1]
