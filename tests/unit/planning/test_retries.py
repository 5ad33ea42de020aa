"""What is tried again, and when."""

from datetime import timedelta

import pytest

from quarters.model.build import Reason
from quarters.planning.retries import POLICIES, retry_at
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
    assert retry_at(reason, 1, NOW) is None


@pytest.mark.parametrize("reason", sorted(MENDABLE))
def test_what_a_second_try_can_mend_is_tried_again_later_each_time_up_to_a_limit(reason: Reason) -> None:
    limit = POLICIES[reason].attempts
    times = [retry_at(reason, attempt, NOW) for attempt in range(1, limit)]
    found = [time for time in times if time is not None]
    assert found[0] > NOW
    assert len(found) == limit - 1
    assert found == sorted(set(found))
    assert retry_at(reason, limit, NOW) is None


def test_a_missing_dependency_is_tried_again_once() -> None:
    assert retry_at(Reason.DEPENDENCY_MISSING, 1, NOW) == NOW + timedelta(minutes=1)
    assert retry_at(Reason.DEPENDENCY_MISSING, 2, NOW) is None


def test_waits_grow_exponentially() -> None:
    assert retry_at(Reason.SOURCE_UNAVAILABLE, 3, NOW) == NOW + timedelta(minutes=25)
