"""Which changes of recipes are mere new versions, and what passes without a person."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarters.model.review import Level, Policy, Size, Verdict
from quarters.planning.review import Outcome, judge, outcome

PKGBUILD = """\
# Maintainer: Ada <ada@example.org>
pkgname=hello
pkgver=1.0
pkgrel=1
source=("https://example.org/hello-$pkgver.tar.gz"
        "hello.patch")
sha256sums=('aaaaaaaa'
            'bbbbbbbb')
package() {
  make install
}
"""
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def size(old: str, new: str, *allow: str) -> Size:
    expressions = [re.compile(each) for each in allow]
    return judge({"PKGBUILD": old.encode()}, {"PKGBUILD": new.encode()}, expressions).size


def size_with(**replaced: str) -> Size:
    """What it makes of the lines that begin like the names, replaced by the values."""
    lines = [
        next((new for name, new in replaced.items() if line.strip(" ('").startswith(name)), line)
        for line in PKGBUILD.split("\n")
    ]
    return size(PKGBUILD, "\n".join(lines))


@pytest.mark.parametrize("line", ["pkgver=2.0", "pkgver='2.0'", 'pkgver="2.0.r12.gabc"', "pkgver=2.0_beta+1"])
def test_a_new_version_is_minor(line: str) -> None:
    assert size_with(pkgver=line) is Size.MINOR


@pytest.mark.parametrize(
    "line",
    [
        "pkgver=2.0; curl evil",
        "pkgver=$(curl evil)",
        "pkgver=2.0 # now",
        "pkgver=`id`",
        "  pkgver=2.0",
        "pkgver='2.0",
        "pkgver=",
        "pkgver=../2",
        "epoch=2",
        "pkgrel=2",
    ],
)
def test_a_version_that_is_no_plain_word_is_major(line: str) -> None:
    assert size_with(pkgver=line) is Size.MAJOR


def test_checksums_may_change_within_their_arrays_alone() -> None:
    assert size(PKGBUILD, PKGBUILD.replace("aaaaaaaa", "12345678").replace("bbbbbbbb", "SKIP")) is Size.MINOR
    assert size(PKGBUILD, PKGBUILD.replace("'bbbbbbbb'", "'bbbbbbbb' $(id)")) is Size.MAJOR
    bare = "pkgver=1\n'aaaaaaaa'\n"
    assert size(bare, bare.replace("aaaaaaaa", "bbbbbbbb")) is Size.MAJOR
    commented = PKGBUILD.replace("'aaaaaaaa'", "'aaaaaaaa' # upstream")
    assert size(commented, commented.replace("bbbbbbbb", "12345678")) is Size.MINOR


def test_what_comes_after_a_checksum_array_is_in_none() -> None:
    after = "md5sums=('aa')\n'bb'\n"
    assert size(after, after.replace("bb", "cc")) is Size.MAJOR


def test_an_allow_list_has_to_match_before_and_after() -> None:
    old, new = PKGBUILD + "_commit=abc\n", PKGBUILD + "_commit=def\n"
    assert size(old, new) is Size.MAJOR
    assert size(old, new, "^_commit=[a-f0-9]+$") is Size.MINOR
    assert size(old, PKGBUILD + "_commit=$(id)\n", "^_commit=[a-f0-9]+$") is Size.MAJOR


def test_another_file_makes_a_change_major_but_for_those_that_say_nothing() -> None:
    base = {"PKGBUILD": PKGBUILD.encode(), "hello.patch": b"a", ".SRCINFO": b"1", ".CI/config": b"x"}
    for name, content in (("hello.patch", b"b"), ("more", b""), (".CI/prepare", b"id"), (".CI/config", b"y")):
        assert judge(base, base | {name: content}, ()).size is Size.MAJOR
    assert judge(base, {k: v for k, v in base.items() if k != "hello.patch"}, ()).size is Size.MAJOR
    assert judge(base, base | {".SRCINFO": b"2", ".gitignore": b"*"}, ()).size is Size.MINOR
    # An upstream has no folder .CI; what the tree keeps there stays.
    assert judge(base, {k: v for k, v in base.items() if k != ".CI/config"}, ()).size is Size.MINOR


def test_the_first_state_of_a_recipe_is_major() -> None:
    assert judge({}, {"PKGBUILD": PKGBUILD.encode()}, ()).size is Size.MAJOR


LINES = st.lists(
    st.sampled_from([*PKGBUILD.split("\n"), "pkgver=2", "pkgver=3", "md5sums=(", "'ab'", "'cd' SKIP)", "x"]),
    min_size=1,
    max_size=8,
)


@given(LINES)
def test_nothing_changed_is_minor(lines: list[str]) -> None:
    assert size("\n".join(lines), "\n".join(lines)) is Size.MINOR


@given(LINES, LINES)
def test_a_way_back_is_as_large_as_the_way_there(before: list[str], after: list[str]) -> None:
    old, new = "\n".join(before), "\n".join(after)
    assert size(old, new) is size(new, old)


@given(LINES, st.text(), st.integers(0, 8))
def test_another_line_is_never_minor(lines: list[str], added: str, at: int) -> None:
    assert size("\n".join(lines), "\n".join([*lines[:at], added, *lines[at:]])) is Size.MAJOR


@given(st.binary(), st.binary())
def test_any_bytes_can_be_judged(old: bytes, new: bytes) -> None:
    judge({"PKGBUILD": old, "x.install": new}, {"PKGBUILD": new, "x.install": old}, ())


def passes(
    level: Level, size: Size, who: tuple[str, ...] = (), hours: int = 0, trusted: str = "ada"
) -> Outcome:
    policy = Policy(level, frozenset({trusted}), timedelta(hours=hours))
    return outcome(policy, Verdict(size), who, NOW - timedelta(hours=2), NOW)


def test_what_passes_is_a_matter_of_policy() -> None:
    assert passes(Level.OFF, Size.MAJOR).passes
    assert passes(Level.MAJOR, Size.MINOR).passes
    assert not passes(Level.MAJOR, Size.MAJOR).passes
    assert not passes(Level.ALL, Size.MINOR, ("ada",)).passes


def test_a_major_change_passes_where_every_maintainer_is_trusted() -> None:
    assert passes(Level.MAJOR, Size.MAJOR, ("ada",)).passes
    assert not passes(Level.MAJOR, Size.MAJOR, ("ada", "mallory")).passes
    assert not passes(Level.MAJOR, Size.MAJOR, ()).passes


def test_what_is_fresh_passes_once_it_has_cooled_down() -> None:
    assert passes(Level.MAJOR, Size.MINOR, hours=2).passes
    fresh = passes(Level.MAJOR, Size.MINOR, hours=3)
    assert (fresh.passes, fresh.passes_at) == (False, NOW + timedelta(hours=1))
    assert passes(Level.MAJOR, Size.MAJOR, hours=1).passes_at is None
