"""Which snapshots are kept."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from quarters.planning.retention import Rules, Taken, Version, expired

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def daily(count: int) -> list[Taken]:
    """Snapshots 1 to `count`, one each day, the last of them now."""
    return [Taken(number, NOW - timedelta(days=count - number)) for number in range(1, count + 1)]


def greet(since: int, until: int | None, content: str = "") -> Version:
    return Version("x86_64", "greet", content or f"content of {since}", since, until)


def test_without_a_rule_everything_is_kept() -> None:
    assert expired(daily(9), [], (), Rules(), NOW) == []


def test_days_count_from_when_the_next_snapshot_took_the_place() -> None:
    # 6 was made four days ago and served until three days ago.
    assert expired(daily(10), [], (), Rules(days=3), NOW) == [1, 2, 3, 4, 5]


def test_the_newest_is_kept_however_old_it_is() -> None:
    old = [Taken(1, NOW - timedelta(days=900)), Taken(2, NOW - timedelta(days=800))]
    assert expired(old, [], (), Rules(days=1), NOW) == [1]


def test_pinned_ones_are_kept() -> None:
    assert expired(daily(5), [], {2}, Rules(days=1), NOW) == [1]


def test_the_last_snapshot_of_each_of_the_newest_versions_is_kept() -> None:
    history = [greet(7, None), greet(5, 7), greet(2, 5)]
    assert expired(daily(9), history, (), Rules(versions=2), NOW) == [1, 2, 3, 4, 5, 7, 8]
    assert expired(daily(9), history, (), Rules(versions=3), NOW) == [1, 2, 3, 5, 7, 8]


def test_a_version_that_came_back_counts_once() -> None:
    history = [greet(5, None, "one"), greet(3, 5, "two"), greet(2, 3, "one")]
    assert expired(daily(5), history, (), Rules(versions=2), NOW) == [1, 2, 3]


def test_a_package_that_was_removed_keeps_its_newest_versions() -> None:
    assert expired(daily(5), [greet(2, 4)], (), Rules(versions=1), NOW) == [1, 2, 4]


def test_what_one_rule_keeps_no_other_takes() -> None:
    history = [greet(7, None), greet(2, 5)]
    assert expired(daily(9), history, (), Rules(versions=2, days=2), NOW) == [1, 2, 3, 5]


_STAYS = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from("abc")), max_size=6)


@given(
    count=st.integers(1, 12),
    stays=_STAYS,
    pinned=st.sets(st.integers(1, 12), max_size=3),
    versions=st.integers(0, 3),
    days=st.integers(0, 12),
)
def test_expiring_twice_expires_no_more(
    count: int, stays: list[tuple[int, int, str]], pinned: set[int], versions: int, days: int
) -> None:
    rules = Rules(versions=versions, days=days)
    ends = sorted({it for pair in stays for it in pair[:2] if it <= count})
    history = [greet(since, until, "abc"[since % 3]) for since, until in pairwise(ends)][::-1]
    there = daily(count)
    gone = expired(there, history, pinned, rules, NOW)
    left = [it for it in there if it.number not in gone]
    assert count not in gone
    assert not set(gone) & pinned
    remaining = [
        it for it in history if any(it.since <= one.number and (it.until or 99) > one.number for one in left)
    ]
    assert expired(left, remaining, pinned, rules, NOW) == []
