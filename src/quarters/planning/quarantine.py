"""When a builder that keeps failing what others build gets no work for a while."""

from datetime import datetime, timedelta

import msgspec

from quarters.model.build import Reason
from quarters.model.builder import Builder

STRIKES = 3
"""So many failures in a row that are a builder's own fault put it into quarantine."""
_FIRST = timedelta(minutes=10)
_FACTOR = 3
_LONGEST = timedelta(days=1)
_LIMITS = {Reason.OUT_OF_MEMORY, Reason.TOO_MANY_PROCESSES, Reason.DISK_FULL, Reason.LOG_TOO_LARGE}
NO_SIGN = frozenset({Reason.INTERNAL_ERROR, *_LIMITS})
"""Reasons that say nothing more about a builder once another one builds the same: that was its own fault at once, or
the build passed limits that are wider elsewhere."""


def is_its_own_fault(reason: Reason | None, *, machine_full: bool = False) -> bool:
    """Whether a failure is the builder's at once; of others that only shows when another one builds the same."""
    return reason is Reason.INTERNAL_ERROR or machine_full


def after_failure(builder: Builder, now: datetime) -> Builder:
    """`builder` after one more failure that was its own fault.

    The first of them after a quarantine leads to the next one, which is longer.
    """
    strikes = builder.strikes + 1
    if strikes < STRIKES and not (builder.quarantines and not is_quarantined(builder, now)):
        return msgspec.structs.replace(builder, strikes=strikes)
    wait = min(_FIRST * _FACTOR ** min(builder.quarantines, 10), _LONGEST)
    return msgspec.structs.replace(
        builder, strikes=0, quarantines=builder.quarantines + 1, quarantined_until=now + wait
    )


def after_success(builder: Builder) -> Builder:
    """`builder` after it built something: all is forgiven."""
    return msgspec.structs.replace(builder, strikes=0, quarantines=0, quarantined_until=None)


def is_quarantined(builder: Builder, now: datetime) -> bool:
    """Whether it is in quarantine at this time."""
    return builder.quarantined_until is not None and now < builder.quarantined_until
