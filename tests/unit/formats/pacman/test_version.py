"""Versions are ordered as libalpm orders them; every row was seen with vercmp 6.0.2."""

import itertools

import pytest

from quarters.formats.pacman.version import bumped, compare

OLDER_THEN_NEWER = [
    ("1.0", "1.0.0"),
    ("1.0a", "1.0"),
    ("1.0rc1", "1.0"),
    ("1.0", "1.0.rc1"),
    ("1.0.a", "1.0.1"),
    ("1.0", "1..0"),
    ("1.0", "1.0."),
    ("1.0", "1.0+git"),
    ("1.0", "1.0~rc1"),
    ("1.5", "1.5.b"),
    ("1.0A", "1.0a"),
    ("v1", "1"),
    ("2.0", "1:0.1"),
    ("1.2-1", "1.2-1-1"),
    ("1.0-1", "1.0-1.1"),
    ("1.0-1.9", "1.0-1.10"),
    ("1.0-1.1", "1.0-2"),
    ("9", "10"),
    ("0.9.9", "0.10"),
]
EQUAL = [
    ("1.0", "1.0"),
    ("1.0", "1.0-1"),
    ("1.01", "1.1"),
    ("1.0_1", "1.0.1"),
    ("0:1.0", "1.0"),
    (":1.0", "1.0"),
    ("1.00-01", "1.0-1"),
]


@pytest.mark.parametrize(("older", "newer"), OLDER_THEN_NEWER)
def test_a_newer_version_wins_from_either_side(older: str, newer: str) -> None:
    assert compare(older, newer) == -1
    assert compare(newer, older) == 1


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_versions_that_differ_only_in_writing_are_equal(left: str, right: str) -> None:
    assert compare(left, right) == 0
    assert compare(right, left) == 0


def test_letters_outside_of_ascii_only_separate_as_the_bytes_that_they_are() -> None:
    assert compare("1é2", "1..2") == 0
    assert compare("1é2", "1.2") == 1


def test_a_number_of_any_length_is_compared() -> None:
    assert compare("1" * 5000, "1" * 4999) == 1


@pytest.mark.parametrize(
    ("version", "bump", "result"),
    [
        ("1.0-1", 0, "1.0-1"),
        ("1.0-1", 1, "1.0-1.1"),
        ("1:1.0-1", 12, "1:1.0-1.12"),
        ("1.0-1.2", 1, "1.0-1.3"),
    ],
)
def test_a_rebuild_raises_the_minor_pkgrel(version: str, bump: int, result: str) -> None:
    assert bumped(version, bump) == result


def test_every_rebuild_is_newer_than_the_one_before_and_older_than_the_next_pkgrel() -> None:
    rebuilds = [bumped("1.0-1", bump) for bump in range(12)]
    assert all(compare(older, newer) == -1 for older, newer in itertools.pairwise(rebuilds))
    assert compare(rebuilds[-1], "1.0-2") == -1
