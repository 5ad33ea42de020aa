"""Conditional and range requests (RFC 9110, sections 13 and 14), decided without touching a file."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import NamedTuple


class Validators(NamedTuple):
    """What tells one version of a file from another: `modified` is in whole seconds, aware, None if nobody knows."""

    etag: str
    modified: datetime | None

    def headers(self) -> dict[str, str]:
        """As an answer states them."""
        if self.modified is None:
            return {"ETag": self.etag}
        return {"ETag": self.etag, "Last-Modified": format_datetime(self.modified, usegmt=True)}


class Range(NamedTuple):
    """Bytes `first` to `last`, both included."""

    first: int
    last: int


class Unsatisfiable(Exception):
    """The range lies outside of the file."""


def unchanged(headers: Mapping[str, str], now: Validators) -> bool:
    """Whether the client has this version already; If-None-Match outweighs If-Modified-Since."""
    if (known := headers.get("if-none-match")) is not None:
        tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
        return now.etag in tags or "*" in tags
    since = _date(headers.get("if-modified-since"))
    return since is not None and now.modified is not None and now.modified <= since


def wanted(headers: Mapping[str, str], now: Validators, size: int) -> Range | None:
    """The one range that is asked for; None for all of the file. Raises Unsatisfiable.

    Several ranges at once, another unit and what cannot be read are ignored, as the RFC allows.
    """
    text = headers.get("range")
    if text is None or not _still_the_same(headers.get("if-range"), now):
        return None
    unit, _, numbers = text.partition("=")
    begin, dash, end = (part.strip() for part in numbers.partition("-"))
    if unit.strip().lower() != "bytes" or not dash or not all(map(_is_number, (begin, end))):
        return None
    if not begin:
        return _suffix(end, size)
    first, last = int(begin), int(end) if end else size - 1
    if end and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return Range(first, min(last, size - 1))


def _suffix(end: str, size: int) -> Range | None:
    if not end:
        return None
    if int(end) == 0 or size == 0:
        raise Unsatisfiable
    return Range(max(0, size - int(end)), size - 1)


def _is_number(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and len(text) < 19)


def _still_the_same(condition: str | None, now: Validators) -> bool:
    if condition is None:
        return True
    return condition == now.etag or (now.modified is not None and _date(condition) == now.modified)


def _date(text: str | None) -> datetime | None:
    try:
        date = None if text is None else parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date is not None and date.tzinfo is not None else None
