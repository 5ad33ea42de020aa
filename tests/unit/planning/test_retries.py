"""What is tried again, and when."""

from datetime import timedelta

import pytest

from quarters.model.build import Reason
from quarters.planning.retries import DEFAULTS, Retries
from tests.unit.planning.recipes import NOW

MENDABLE = {
    Reason.SOURCE_UNAVAILABLE,
    Reason.BUILDER_LOST,
    Reason.DISK_FULL,
    Reason.DEPENDENCY_MISSING,
    Reason.INTERNAL_ERROR,
}


@pytest.mark.parametrize("reason", sorted(set(Reason) - MENDABLE))
def test_what_a_second_try_cannot_mend_is_not_tried_again(reason: Reason) -> None:
    assert DEFAULTS.at(reason, 1, NOW) is None


@pytest.mark.parametrize("reason", sorted(MENDABLE))
def test_what_a_second_try_can_mend_is_tried_again_later_each_time_up_to_a_limit(reason: Reason) -> None:
    limit = 1 + len(DEFAULTS.waits(reason))
    times = [DEFAULTS.at(reason, attempt, NOW) for attempt in range(1, limit)]
    found = [time for time in times if time is not None]
    assert found[0] > NOW
    assert len(found) == limit - 1
    assert found == sorted(set(found))
    assert DEFAULTS.at(reason, limit, NOW) is None


def test_mirrors_get_hours_to_catch_up() -> None:
    assert (
        timedelta(hours=4)
        < timedelta(seconds=sum(DEFAULTS.waits(Reason.DEPENDENCY_MISSING)))
        < timedelta(days=1)
    )


def test_waits_can_be_set_for_each_reason() -> None:
    patient = Retries(check_failed=(10, 20), source_unavailable=())
    assert patient.at(Reason.CHECK_FAILED, 2, NOW) == NOW + timedelta(seconds=20)
    assert patient.at(Reason.CHECK_FAILED, 3, NOW) is None
    assert patient.at(Reason.SOURCE_UNAVAILABLE, 1, NOW) is None


def test_every_setting_is_a_reason() -> None:
    assert set(Retries.__struct_fields__) <= set(Reason)
