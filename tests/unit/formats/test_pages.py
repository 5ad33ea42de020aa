"""Indexes in pages: whatever changes, the index is the one that would have been made from nothing."""

import zlib
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarters.formats import pages
from quarters.formats.pacman import Pacman
from quarters.formats.pages import Index, Page
from quarters.model.repository import Compression

PACMAN = Pacman()
Content = Mapping[str, str]
"""Versions by name."""

numbers = st.integers(0, 400)
contents = st.dictionaries(numbers.map("p{}".format), st.sampled_from(["1-1", "2-1"]), max_size=300)


def parts(name: str, version: str) -> dict[str, str]:
    return {"desc": f"%NAME%\n{name}\n\n%VERSION%\n{version}\n\n", "files": f"%FILES%\nusr/{name}\n"}


def made(content: Content, names: list[str]) -> Page:
    return pages.page(names[-1], PACMAN.pack([parts(it, content[it]) for it in names], Compression.GZIP))


def bound(content: Content) -> Index:
    new = [made(content, names) for names in pages.cut(sorted(content))]
    return pages.bound(PACMAN, "core", new, Compression.GZIP)


def changed(old: Index, before: Content, after: Content) -> tuple[Index, int]:
    """The index of `after` out of the old one, and how many packages were packed for it."""
    names = {it for it in before.keys() | after.keys() if before.get(it) != after.get(it)}
    new: list[Page] = []
    packed = 0
    for part in pages.kept(pages.opened(old.table, list(old.files.values())), names):
        if isinstance(part, Page):
            new.append(part)
            continue
        within = [it for it in after if part.after < it and (part.last is None or it <= part.last)]
        packed += len(within)
        new += [made(after, run) for run in pages.cut(sorted(within))]
    return pages.bound(PACMAN, "core", new, Compression.GZIP), packed


@settings(max_examples=60, deadline=None)
@given(contents, contents)
def test_an_index_is_the_same_whatever_it_was_before(before: Content, after: Content) -> None:
    assert changed(bound(before), before, after)[0] == bound(after)


@settings(max_examples=60, deadline=None)
@given(contents, st.sets(numbers.map("p{}".format), min_size=1, max_size=3))
def test_a_few_packages_that_come_or_go_are_found_everywhere(before: Content, names: set[str]) -> None:
    after = {it: version for it, version in before.items() if it not in names}
    after |= {it: "3-1" for it in names if it not in before}
    assert changed(bound(before), before, after)[0] == bound(after)


def test_a_change_costs_the_pages_that_it_touches() -> None:
    before = {f"p{number}": "1-1" for number in range(4000)}
    old = bound(before)
    for name in ("p1234", "p0", "p9999", "a", "z"):
        index, packed = changed(old, before, before | {name: "2-1"})
        assert index != old
        assert packed < 400


def test_without_the_name_that_ends_it_a_page_goes_on_into_the_next() -> None:
    before = {f"p{number}": "1-1" for number in range(300)}
    runs = list(pages.cut(sorted(before)))
    assert len(runs) > 3
    after = {name: version for name, version in before.items() if name != runs[1][-1]}
    assert [run[0] for run in pages.cut(sorted(after))] == [run[0] for run in runs if run is not runs[2]]
    assert changed(bound(before), before, after)[0] == bound(after)


def test_damage_is_mended_and_not_taken_over() -> None:
    content = {f"p{number}": "1-1" for number in range(300)}
    whole = bound(content)
    for name, data in whole.files.items():
        for at in range(0, len(data), 997):
            bent = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            files = {it: bent if it == name else other for it, other in whole.files.items()}
            index, packed = changed(Index(files, whole.table), content, content)
            assert index == whole
            assert packed < len(content)


@pytest.mark.parametrize("table", [b"", b"{}", b"[1", b'{"form": 0, "pages": [["p1", []]]}'])
def test_an_index_without_its_table_is_made_from_nothing(table: bytes) -> None:
    content = {f"p{number}": "1-1" for number in range(100)}
    index, packed = changed(Index(bound(content).files, table), content, content)
    assert (index, packed) == (bound(content), len(content))


def test_pages_stay_where_they_are_in_all_versions_of_the_program() -> None:
    # An index that is made again after an upgrade has to be the one whose signature clients may have.
    ends = [name for name in (f"p{number}" for number in range(2000)) if zlib.crc32(name.encode()) % 16 == 0]
    assert [run[-1] for run in pages.cut(f"p{number}" for number in range(2000))][: len(ends)] == ends
