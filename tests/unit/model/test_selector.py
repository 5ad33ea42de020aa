"""Which words name a snapshot."""

from datetime import UTC, datetime

import pytest

from quarters.model.errors import Invalid
from quarters.model.selector import Selector, pin_name, selector


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("12", 12),
        ("2026-11-01", datetime(2026, 11, 1, 23, 59, 59, 999_999, UTC)),
        ("2026-11-01T10:00:00Z", datetime(2026, 11, 1, 10, 0, 0, 0, UTC)),
        ("2026-11-01t10:00:00.5+02:00", datetime(2026, 11, 1, 8, 0, 0, 500_000, UTC)),
        ("release-1", "release-1"),
        ("v2026.11", "v2026.11"),
    ],
)
def test_a_number_a_date_a_time_and_a_pin_are_told_apart(text: str, meant: Selector) -> None:
    assert selector(text) == meant


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1" * 10, "2026-13-01", "2026-11-01T25:00:00Z", "0001-01-01T00:00:00+02:00", "9a", "a/b"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        selector(text)


@pytest.mark.parametrize("text", ["12", "2026-11-01", "", "a" * 64, "ä"])
def test_a_pin_can_be_taken_for_neither_a_number_nor_a_date(text: str) -> None:
    with pytest.raises(Invalid):
        pin_name(text)
