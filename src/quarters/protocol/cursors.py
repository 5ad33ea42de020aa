"""Cursors of lists: the key of the last item shown, opaque to clients."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from quarters.model.errors import Invalid
from quarters.protocol.resources import Page

T = TypeVar("T")
K = TypeVar("K")

_MAX_ID = 2**63 - 1


def encode(key: object) -> str:
    """A cursor that stands for `key`."""
    return urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode(cursor: str | None, kind: type[K], start: K) -> K:
    """The key that a cursor stands for, `start` for None; Invalid for what is no cursor of such a list."""
    if cursor is None:
        return start
    try:
        key = msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=kind)
    except (ValueError, msgspec.DecodeError):
        raise Invalid("This cursor was not made for this list.") from None
    if isinstance(key, int) and not 0 <= key <= _MAX_ID:
        raise Invalid("This cursor was not made for this list.")
    return key


def page(items: Sequence[T], limit: int, key: Callable[[T], object]) -> Page[T]:
    """The first `limit` of `items`, with a cursor if there are more: callers read one more than they show."""
    shown = tuple(items[:limit])
    return Page(shown, encode(key(shown[-1])) if len(items) > limit else None)
