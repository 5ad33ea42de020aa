"""When schedules fire: cron's five fields, Vieter's two to four, time zones and the days on which clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarters.model.errors import Invalid
from quarters.planning.schedule import Schedule

BRUSSELS = "Europe/Brussels"
SATURDAY = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def _times(expression: str, after: datetime = SATURDAY, count: int = 3, timezone: str = "UTC") -> list[str]:
    return [f"{it:%m-%d %H:%M %Z}" for it in Schedule(expression, timezone).times(after, count)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 3", ["11-22 03:00 UTC", "11-23 03:00 UTC"]),
        ("0 0 */7", ["11-22 00:00 UTC", "11-29 00:00 UTC", "12-01 00:00 UTC"]),
        ("50/5 23", ["11-21 23:50 UTC", "11-21 23:55 UTC", "11-22 23:50 UTC"]),
        ("1,2 4-6/2", ["11-22 04:01 UTC", "11-22 04:02 UTC", "11-22 06:01 UTC"]),
        ("0 0 1 1-2", ["01-01 00:00 UTC", "02-01 00:00 UTC", "01-01 00:00 UTC"]),
        ("0 5-5/2", ["11-22 05:00 UTC", "11-23 05:00 UTC"]),
    ],
)
def test_two_to_four_fields_mean_what_vieter_means_by_them(expression: str, expected: list[str]) -> None:
    assert _times(expression, count=len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 4 * * 1-5", ["11-23 04:30 UTC", "11-24 04:30 UTC"]),
        ("0 0 13 * FRI", ["11-27 00:00 UTC", "12-04 00:00 UTC", "12-11 00:00 UTC", "12-13 00:00 UTC"]),
        ("@daily", ["11-22 00:00 UTC", "11-23 00:00 UTC"]),
        ("@weekly", ["11-22 00:00 UTC", "11-29 00:00 UTC"]),
        ("@Monthly", ["12-01 00:00 UTC", "01-01 00:00 UTC"]),
    ],
)
def test_five_fields_and_nicknames_mean_what_cron_means_by_them(expression: str, expected: list[str]) -> None:
    assert _times(expression, count=len(expected)) == expected


def test_a_time_that_summer_time_leaves_out_fires_once_right_after_it() -> None:
    eve = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert _times("30 2", eve, 2, BRUSSELS) == ["03-29 03:00 CEST", "03-30 02:30 CEST"]


def test_a_time_that_comes_twice_when_summer_time_ends_fires_once() -> None:
    eve = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    assert _times("30 2", eve, 2, BRUSSELS) == ["10-25 02:30 CEST", "10-26 02:30 CET"]
    in_the_second_hour = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    assert _times("30 2", in_the_second_hour, 1, BRUSSELS) == ["10-26 02:30 CET"]


def test_what_fires_every_hour_fires_in_both_of_the_hours_that_summer_time_ends_with() -> None:
    night = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    assert _times("0 * * * *", night, 3, BRUSSELS) == [
        "10-25 02:00 CEST",
        "10-25 02:00 CET",
        "10-25 03:00 CET",
    ]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("61 * * * *", "its minute is misspelt or never comes"),
        ("0 0 31 2", "its day-of-month"),
        ("0 3-1", "its hour"),
        ("0 */0", "its hour"),
        ("3", "it has 1 field, and takes 2 to 5"),
        ("0 0 0 * * *", "it has 6 fields"),
        ("", "it has 0 fields"),
        ("@reboot", "there are @yearly"),
    ],
)
def test_what_is_no_schedule_is_refused_in_one_sentence(expression: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as refused:
        Schedule(expression).check()
    assert str(refused.value).count(". ") == 0


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "Europe", ""])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="no time zone"):
        Schedule("0 3", name).check()


@given(
    st.integers(0, 5_000_000),
    st.sampled_from(["0 3", "30 2 * * *", "*/20 * * * *", "15 1,2,3", "@hourly"]),
    st.sampled_from(["UTC", BRUSSELS, "America/New_York", "Australia/Lord_Howe"]),
)
def test_times_only_rise_and_asking_again_from_one_gives_the_next(
    minutes: int, expression: str, timezone: str
) -> None:
    after = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    schedule = Schedule(expression, timezone)
    times = [it.astimezone(UTC) for it in schedule.times(after, 4)]
    assert times[0] > after
    assert all(earlier < later for earlier, later in pairwise(times))
    assert schedule.after(times[0]) == times[1]
