"""Cursors: opaque, and refused where they were not made."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarters.model.errors import Invalid
from quarters.protocol import cursors


@given(st.tuples(st.text(), st.text()))
def test_a_cursor_is_read_as_it_was_made(key: tuple[str, str]) -> None:
    assert cursors.decode(cursors.encode(key), tuple[str, str], ("", "")) == key


@given(st.text())
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with suppress(Invalid):
        assert 0 <= cursors.decode(text, int, 0) < 2**63


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(Invalid):
        cursors.decode(cursors.encode("name"), int, 0)
    for number in (-1, 2**63):
        with pytest.raises(Invalid):
            cursors.decode(cursors.encode(number), int, 0)


def test_the_last_part_of_a_list_has_no_cursor() -> None:
    assert cursors.page([1, 2], 2, lambda item: item).cursor is None
    page = cursors.page([1, 2, 3], 2, lambda item: item)
    assert page.items == (1, 2)
    assert cursors.decode(page.cursor, int, 0) == 2
