"""Conditional and range requests, as RFC 9110 has them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarters.server.ranges import Range, Unsatisfiable, Validators, unchanged, wanted

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
IT = Validators('"it"', NOON)
DATE = "Sat, 21 Nov 2026 12:00:00 GMT"


def date(offset: int) -> str:
    return Validators("", NOON + timedelta(seconds=offset)).headers()["Last-Modified"]


def test_a_date_is_written_as_http_has_it() -> None:
    assert IT.headers() == {"ETag": '"it"', "Last-Modified": DATE}


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({}, False),
        ({"if-modified-since": DATE}, True),
        ({"if-modified-since": date(1)}, True),
        ({"if-modified-since": date(-1)}, False),
        ({"if-modified-since": "yesterday"}, False),
        ({"if-modified-since": ""}, False),
        ({"if-none-match": '"it"'}, True),
        ({"if-none-match": 'W/"it"'}, True),
        ({"if-none-match": '"a", "it"'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"other"', "if-modified-since": DATE}, False),
    ],
)
def test_what_the_client_has_is_not_sent_again(headers: dict[str, str], known: bool) -> None:
    assert unchanged(headers, IT) is known


@pytest.mark.parametrize(
    ("spec", "range"),
    [
        ("bytes=0-", Range(0, 9)),
        ("bytes=3-5", Range(3, 5)),
        ("bytes=9-", Range(9, 9)),
        ("bytes=5-100", Range(5, 9)),
        ("bytes=-4", Range(6, 9)),
        ("bytes=-100", Range(0, 9)),
        ("Bytes = 3 - 5", Range(3, 5)),
        ("bytes=5-3", None),
        ("bytes=1-2,4-5", None),
        ("bytes=-", None),
        ("bytes", None),
        ("lines=1-2", None),
        ("bytes=²-", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_one_range_is_understood_and_all_else_ignored(spec: str, range: Range | None) -> None:
    assert wanted({"range": spec}, IT, 10) == range


@pytest.mark.parametrize(
    ("spec", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_a_range_outside_of_the_file_is_told(spec: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        wanted({"range": spec}, IT, size)


@pytest.mark.parametrize(
    ("condition", "range"), [('"it"', Range(3, 9)), (DATE, Range(3, 9)), ('"other"', None), (date(1), None)]
)
def test_a_range_of_another_version_is_not_sent(condition: str, range: Range | None) -> None:
    assert wanted({"range": "bytes=3-", "if-range": condition}, IT, 10) == range


@given(st.text(), st.integers(0, 100))
def test_no_header_brings_a_range_that_is_not_there(spec: str, size: int) -> None:
    for text in (spec, f"bytes={spec}"):
        try:
            found = wanted({"range": text}, IT, size)
        except Unsatisfiable:
            continue
        assert found is None or 0 <= found.first <= found.last < size
