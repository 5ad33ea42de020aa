"""What the next build of a package is expected to need."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from quarters.model.build import Outcome, Reason
from quarters.model.builder import Builder, BuilderState
from quarters.planning.usage import Usage, bounded, learnt

GIB = 1 << 30
KNOWN = st.builds(Usage, memory=st.integers(0, 12))
ANVIL = Builder(
    name="anvil",
    arches=("x86_64",),
    slots=1,
    state=BuilderState.ENABLED,
    last_seen=datetime(2026, 3, 1, tzinfo=UTC),
    version="1",
    executor="sandbox",
)
BEFORE = Usage(seconds=100, memory=4 * GIB, disk=2 * GIB)


def test_the_first_build_tells_everything() -> None:
    assert learnt(Usage(), BEFORE, Outcome.BUILT) == BEFORE


def test_time_leans_to_the_latest_and_needs_rise_at_once_but_fall_by_halves() -> None:
    assert learnt(BEFORE, Usage(seconds=200, memory=6 * GIB, disk=GIB), Outcome.BUILT) == Usage(
        seconds=150, memory=6 * GIB, disk=3 * GIB // 2
    )


def test_what_was_not_measured_is_not_unlearnt() -> None:
    assert learnt(BEFORE, Usage(), Outcome.BUILT) == BEFORE


def test_a_build_that_breaks_off_says_nothing_about_time_and_only_what_it_needs_at_least() -> None:
    used = Usage(seconds=3, memory=GIB, disk=3 * GIB)
    assert learnt(BEFORE, used, Outcome.FAILED, Reason.BUILD_FAILED) == Usage(
        seconds=100, memory=4 * GIB, disk=3 * GIB
    )
    assert learnt(Usage(), used, Outcome.FAILED, Reason.BUILD_FAILED) == Usage()


def test_a_build_that_ran_out_of_something_needs_half_as_much_again() -> None:
    used = Usage(seconds=3, memory=4 * GIB, disk=4 * GIB)
    assert learnt(Usage(), used, Outcome.FAILED, Reason.OUT_OF_MEMORY) == Usage(memory=6 * GIB)
    assert learnt(Usage(), used, Outcome.FAILED, Reason.DISK_FULL) == Usage(disk=6 * GIB)


def test_a_build_that_ran_out_of_time_takes_at_least_that_long() -> None:
    assert learnt(BEFORE, Usage(seconds=900), Outcome.TIMED_OUT).seconds == 900


def test_a_skipped_build_teaches_nothing() -> None:
    assert learnt(BEFORE, Usage(seconds=1, memory=GIB), Outcome.SKIPPED) == BEFORE


@given(KNOWN, st.lists(st.integers(0, 8), max_size=4))
def test_what_was_learnt_keeps_no_package_from_every_builder(known: Usage, memories: list[int]) -> None:
    there = [msgspec.structs.replace(ANVIL, memory=memory) for memory in memories]
    after = bounded(known, there)
    assert after.memory <= known.memory
    if there:
        assert any(not it.memory or after.memory <= it.memory for it in there)
    if any(not it.memory or known.memory <= it.memory for it in there):
        assert after == known
