"""Whether a failed build is tried again, and when: only what a second try can mend, later each time, with a limit."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

import msgspec

from quarters.model.build import Reason


class Policy(msgspec.Struct, frozen=True):
    """At most `attempts` in all; the wait before the second is `first`, and each later one `factor` times longer."""

    attempts: int
    first: timedelta
    factor: int


# Every other reason is the recipe's own, and waits for a new recipe, a new dependency or a person.
POLICIES: Mapping[Reason, Policy] = MappingProxyType(
    {
        Reason.SOURCE_UNAVAILABLE: Policy(4, timedelta(minutes=1), 5),
        # The next builder may be free at once; only a build that kills its builders must slow down.
        Reason.BUILDER_LOST: Policy(5, timedelta(seconds=2), 10),
        Reason.DISK_FULL: Policy(4, timedelta(minutes=5), 3),
        # Mirrors follow each other within hours.
        Reason.DEPENDENCY_MISSING: Policy(6, timedelta(minutes=1), 4),
        Reason.INTERNAL_ERROR: Policy(3, timedelta(seconds=30), 10),
    }
)


def retry_at(reason: Reason, attempts: int, now: datetime) -> datetime | None:
    """When a build that failed for `reason` on its `attempts`-th attempt (from 1) runs again; None if it does not."""
    policy = POLICIES.get(reason)
    if policy is None or attempts >= policy.attempts:
        return None
    wait: timedelta = policy.first * policy.factor ** (attempts - 1)
    return now + wait
