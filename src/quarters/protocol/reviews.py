"""Messages about reviews."""

from typing import Annotated

import msgspec
from msgspec import Meta

from quarters.model.review import Review, ReviewState


class ReviewFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which reviews to list: those that match everything given."""

    state: ReviewState | None = None
    source: str | None = None


class ReviewView(Review, frozen=True, kw_only=True):
    """A review with its change as a unified diff of the recipe's folder."""

    diff: str


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is decided about a change that waits, and why, for whoever reads it later."""

    approve: bool
    note: Annotated[str, Meta(max_length=2000, pattern=r"^[^\x00]*$")] = ""
