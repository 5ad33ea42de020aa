"""When a builder that keeps failing what others build gets no work."""

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from quarters.model.build import Reason
from quarters.model.builder import Builder, BuilderState
from quarters.planning.quarantine import (
    STRIKES,
    after_failure,
    after_success,
    is_its_own_fault,
    is_quarantined,
)
from tests.unit.planning.recipes import NOW

ANVIL = Builder(name="anvil", arches=("x86_64",), slots=1, state=BuilderState.ENABLED, last_seen=NOW)
MINUTES = timedelta(minutes=1)


def failed(builder: Builder, times: int) -> Builder:
    for _ in range(times):
        builder = after_failure(builder, NOW)
    return builder


def test_a_few_failures_are_nothing_unusual() -> None:
    assert not is_quarantined(failed(ANVIL, STRIKES - 1), NOW)


def test_failures_in_a_row_lead_to_a_quarantine_that_ends() -> None:
    found = failed(ANVIL, STRIKES)
    assert found.quarantined_until == NOW + 10 * MINUTES
    assert is_quarantined(found, NOW)
    assert not is_quarantined(found, NOW + 10 * MINUTES)


def test_a_success_forgives_everything() -> None:
    assert after_success(failed(ANVIL, STRIKES - 1)) == ANVIL
    assert after_success(failed(ANVIL, STRIKES)) == ANVIL


def test_the_first_failure_after_a_quarantine_leads_to_a_longer_one() -> None:
    later = NOW + 11 * MINUTES
    again = after_failure(failed(ANVIL, STRIKES), later)
    assert again.quarantined_until == later + 30 * MINUTES


def test_the_builder_is_to_blame_for_its_own_errors_and_its_disk() -> None:
    assert is_its_own_fault(Reason.INTERNAL_ERROR)
    assert is_its_own_fault(Reason.DISK_FULL, machine_full=True)
    assert not is_its_own_fault(Reason.DISK_FULL)
    assert not is_its_own_fault(Reason.BUILD_FAILED)
    assert not is_its_own_fault(None)


@given(st.integers(0, 60))
def test_no_quarantine_is_longer_than_a_day(quarantines: int) -> None:
    before = msgspec.structs.replace(ANVIL, quarantines=quarantines, strikes=STRIKES - 1)
    until = after_failure(before, NOW).quarantined_until
    assert until is not None
    assert 10 * MINUTES <= until - NOW <= timedelta(days=1)
