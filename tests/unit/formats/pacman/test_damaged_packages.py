"""A package that is cut, bent or oddly put together is read or refused in a sentence: never anything else."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarters.formats.pacman import Limits, Pacman
from quarters.model.errors import PackageInvalid
from tests.unit.formats.pacman.bombs import END, INFO, header, member, record
from tests.unit.formats.pacman.packing import COMPRESSORS, FILE_NAME, HELLO, PKGINFO, file, pkginfo, tarred

Judge = Callable[..., str]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """What is said against a package; "" where it is read."""
    path = tmp_path_factory.mktemp("packages") / "upload"

    def judge(data: bytes, suffix: str = "", limits: Limits | None = None) -> str:
        path.write_bytes(data)
        try:
            package = Pacman(limits).read_package(path, FILE_NAME.removesuffix(".zst") + suffix)
        except PackageInvalid as error:
            return str(error)
        assert package.name == "hello"
        return ""

    return judge


SMALL = tarred([pkginfo(), file("usr/a")])
LONG = tarred([*HELLO, file("usr/" + "long" * 40), file("usr/é")])


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_cut_anywhere_a_package_is_refused_as_truncated(judge: Judge, suffix: str) -> None:
    data = COMPRESSORS[suffix](SMALL)
    for end in range(len(data)):
        assert "is refused: it is truncated." in judge(data[:end], suffix), end


def test_cut_anywhere_before_its_end_mark_a_plain_archive_is_refused_as_truncated(judge: Judge) -> None:
    end = len(LONG.rstrip(b"\0")) + 512
    for cut in range(0, end - end % 512 + 1, 64):
        assert "is refused: it is truncated." in judge(LONG[:cut]), cut


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
def test_with_any_byte_bent_a_package_is_read_or_refused(judge: Judge, suffix: str) -> None:
    data = COMPRESSORS[suffix](SMALL)
    said = set()
    for at in range(len(SMALL.rstrip(b"\0")) if not suffix else len(data)):
        bent = (data[at] ^ 1, data[at] ^ 0x80, 0, 0xFF)[at % 4]
        said.add(judge(data[:at] + bytes([bent]) + data[at + 1 :], suffix))
    assert len(said) > 2


@settings(max_examples=60, deadline=None)
@given(blocks=st.lists(st.integers(0, 20), max_size=30))
def test_with_its_blocks_in_any_order_an_archive_is_read_or_refused(judge: Judge, blocks: list[int]) -> None:
    judge(b"".join(LONG[number * 512 : (number + 1) * 512] for number in blocks) + END)


@settings(max_examples=150, deadline=None)
@given(
    flag=st.sampled_from([b"x", b"g", b"L", b"K", b"S", b"V", b"M", b"N", b"A", b"7", b"0", b"1", b"2", b"5"]),
    content=st.one_of(
        st.binary(max_size=40),
        st.lists(
            st.tuples(
                st.sampled_from([b"path", b"linkpath", b"size", b"GNU.sparse.name", b"hdrcharset", b"uid"]),
                st.one_of(st.binary(max_size=12), st.just(b"9" * 19), st.just(b"-1"), st.just(b"0")),
            ),
            max_size=4,
        ).map(lambda records: b"".join(record(*it) for it in records)),
    ),
)  # fmt: skip
def test_whatever_stands_before_a_member_it_is_read_or_refused(
    judge: Judge, flag: bytes, content: bytes
) -> None:
    judge(INFO + member(b"before", content, flag) + member(b"usr/a", b"a") + END)


@settings(max_examples=150, deadline=None)
@given(
    key=st.sampled_from(["pkgname", "pkgbase", "pkgver", "pkgdesc", "arch", "size", "builddate", "depend", "x"]),
    value=st.text(max_size=30),
)  # fmt: skip
def test_whatever_its_pkginfo_says_a_package_is_read_or_refused(judge: Judge, key: str, value: str) -> None:
    judge(member(b".PKGINFO", f"{PKGINFO}{key} = {value}\n".encode(errors="surrogatepass")) + END)


def test_a_zero_byte_in_its_pkginfo_is_refused(judge: Judge) -> None:
    text = PKGINFO.replace("Says", "Sa\0s").encode()
    assert r"its .PKGINFO holds a zero byte" in judge(member(b".PKGINFO", text) + END)


@pytest.mark.parametrize("key", ["size", "builddate"])
def test_a_number_that_no_database_can_hold_is_refused(judge: Judge, key: str) -> None:
    def with_number(digits: str) -> bytes:
        return member(b".PKGINFO", f"{PKGINFO}{key} = {digits}\n".encode()) + END

    assert f"has a {key} that is too large" in judge(with_number("9" * 19))
    assert judge(with_number("9" * 18)) == ""


def test_members_and_the_folders_that_they_imply_are_counted_together(judge: Judge) -> None:
    few = Limits(members=10)
    assert judge(INFO + member(b"a/b/c/d/e/f/g/h/i", b"") + END, limits=few) == ""
    assert "more than 10 files and folders" in judge(
        INFO + member(b"a/b/c/d/e/f/g/h/i/j", b"") + END, "", few
    )
    assert "more than 10 files and folders" in judge(
        INFO + b"".join(header(b"%d" % number) for number in range(10)) + END, limits=few
    )


def test_folders_that_a_path_implies_count_for_the_length_of_the_list(judge: Judge) -> None:
    path = b"f/" * 40 + b"f"
    assert judge(INFO + header(path) + END, limits=Limits(listing=2000)) == ""
    assert "longer than 1500 characters" in judge(INFO + header(path) + END, limits=Limits(listing=1500))


def test_only_one_extended_header_of_a_kind_stands_before_a_member(judge: Judge) -> None:
    one, other = member(b"x", record(b"path", b"usr/b"), b"x"), member(b"L", b"usr/c\0", b"L")
    assert judge(INFO + one + other + header(b"y") + END) == ""
    for twice in (one + one, other + one + other):
        assert "two extended headers of one kind" in judge(INFO + twice + header(b"y") + END)


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_package_in_very_many_pieces_is_refused(judge: Judge, suffix: str) -> None:
    pack = COMPRESSORS[suffix]
    data = INFO + END
    pieces = b"".join(pack(data[at : at + 1]) for at in range(len(data)))
    assert "its compressed data is in too many pieces" in judge(pieces, suffix)
    assert judge(b"".join(pack(data[at : at + 8]) for at in range(0, len(data), 8)), suffix) == ""
