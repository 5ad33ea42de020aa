"""How a snapshot is asked for: by its number, by a date or time, or by a name that it is pinned with."""

import re
from datetime import UTC, date, datetime, time

from quarters.model.errors import Invalid

Selector = int | datetime | str
"""A snapshot's number; a moment, which stands for the newest snapshot at or before it; or a pin's name."""

_NUMBER = re.compile(r"[0-9]{1,9}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    _DATE.pattern + r"[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_PIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")  # never to be confused with a number or a date


def selector(text: str) -> Selector:
    """Read `12`, `2026-11-01` (all of that day, UTC), an RFC 3339 time, or a pin's name; Invalid if it is none."""
    if _NUMBER.fullmatch(text):
        return int(text)
    try:
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{text!r} is no date or time.") from None
    if _PIN.fullmatch(text):
        return text
    raise Invalid(f"{text!r} is neither a snapshot's number, a date, a time nor a pin.")


def pin_name(text: str) -> str:
    """Return `text` if it may name a pin, else raise Invalid."""
    if _PIN.fullmatch(text) is None:
        raise Invalid(f"{text!r} is not a valid name of a pin; it begins with a letter.")
    return text
