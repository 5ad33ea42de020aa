"""What ELF files say that they link to; whatever is wrong with them, a package's reader goes on."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarters.formats import elf
from quarters.formats.elf import KEPT, Linkage
from tests.unit.formats import elves

SOUND = elves.elf("libfoo.so.1", "libc.so.6", soname="libbar.so.2")


def pieces(data: bytes, size: int = 1 << 18) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 18])
def test_a_file_says_what_it_needs_and_what_it_is_however_it_is_cut(size: int) -> None:
    expected = Linkage(("libfoo.so.1", "libc.so.6"), "libbar.so.2", 64, elves.X86_64, True)
    assert elf.read(pieces(SOUND, size)) == expected


def test_a_program_of_32_bits_is_told_from_one_of_64() -> None:
    found = elf.read(pieces(elves.elf("libfoo.so.1", bits=32, machine=elves.I386, kind=2)))
    assert found == Linkage(("libfoo.so.1",), "", 32, elves.I386, False)


def test_what_links_to_nothing_or_is_no_elf_file_says_nothing() -> None:
    assert elf.read(pieces(b"#!/bin/sh\n" * 100)) is None
    assert elf.read(pieces(elves.elf("libfoo.so.1", kind=1))) is None
    assert elf.read(pieces(b"")) is None


def test_paths_and_unprintable_names_are_no_libraries() -> None:
    found = elf.read(pieces(elves.elf("/opt/libfoo.so.1", "lib\x1bfoo.so", "libc.so.6")))
    assert found is not None
    assert found.needed == ("libc.so.6",)


def test_a_dynamic_section_far_behind_is_found_without_the_whole_file_in_memory() -> None:
    far = elves.elf("libfoo.so.1", padding=3 * KEPT)
    window = elf._Window(pieces(far))
    assert window.at(len(far) - 16, 16) == far[-16:]
    assert len(window._head) == KEPT
    found = elf.read(pieces(far))
    assert found is not None
    assert found.needed == ("libfoo.so.1",)


def test_no_more_of_a_file_is_taken_than_its_headers_ask_for() -> None:
    taken = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for piece in pieces(SOUND + bytes(1 << 20), 4096):
            taken += len(piece)
            yield piece

    assert elf.read(counted()) is not None
    assert taken == 4096


@given(st.integers(0, len(SOUND)))
def test_a_file_that_is_cut_off_anywhere_is_no_error(length: int) -> None:
    found = elf.read(pieces(SOUND[:length], 11))
    assert found is None or length == len(SOUND)


@settings(max_examples=500)
@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), min_size=1, max_size=12))
def test_a_file_that_is_bent_anywhere_is_no_error(changes: list[tuple[int, int]]) -> None:
    bent = bytearray(SOUND)
    for at, value in changes:
        bent[at] = value
    found = elf.read(pieces(bytes(bent), 64))
    assert found is None or all("/" not in name for name in (*found.needed, found.soname))


@given(st.binary(max_size=400))
def test_any_bytes_behind_the_magic_are_no_error(rest: bytes) -> None:
    elf.read(pieces(elf.MAGIC + rest, 50))
