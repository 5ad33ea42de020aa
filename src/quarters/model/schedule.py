"""When a source, or one of its recipes, is looked at and built by the clock."""

from datetime import datetime

import msgspec


class ScheduleEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule of a source; `pkgbase` is "" where it is for all recipes that have none of their own."""

    source: str
    pkgbase: str = ""
    expression: str
    timezone: str = "UTC"
    next_at: datetime
    fired_at: datetime | None = None
    """When it fired last."""
