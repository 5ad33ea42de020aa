"""An index entry reads as repo-add writes it; the integration tests hold it against repo-add itself."""

import pytest

from quarters.formats.pacman.entry import Sums, desc, files, parse_pkginfo


def test_whitespace_is_collapsed_and_comments_are_skipped() -> None:
    assert parse_pkginfo("# pkgname = no\npkgname = a\n  pkgdesc =  b \t c  \nempty = \n") == {
        "pkgname": ["a"],
        "pkgdesc": ["b c"],
    }


@pytest.mark.parametrize(
    ("value", "kept"), [("a=", "a"), ("a==", "a=="), ("a=b=", "a=b="), ("a b=", "a b="), ("a =", "a")]
)
def test_only_a_lonely_equals_sign_at_the_end_is_lost(value: str, kept: str) -> None:
    assert parse_pkginfo(f"url = {value}") == {"url": [kept]}


def test_fields_stand_in_the_order_of_repo_add_and_empty_ones_are_left_out() -> None:
    fields = {
        "checkdepend": ["d"],
        "depend": ["b", "c"],
        "arch": ["any"],
        "pkgver": ["1-1"],
        "pkgname": ["a"],
        "backup": ["etc/a"],
    }
    assert desc("a-1-1-any.pkg.tar.zst", fields, Sums(7, "m", "s")) == (
        "%FILENAME%\na-1-1-any.pkg.tar.zst\n\n%NAME%\na\n\n%VERSION%\n1-1\n\n%CSIZE%\n7\n\n%MD5SUM%\nm\n\n"
        "%SHA256SUM%\ns\n\n%ARCH%\nany\n\n%DEPENDS%\nb\nc\n\n%CHECKDEPENDS%\nd\n\n"
    )


def test_files_are_sorted_as_bytes_without_metadata() -> None:
    assert files(["usr/", "usr/b", ".MTREE", "usr/B", "usr/é", "etc/", "usr/"]) == (
        "%FILES%\netc/\nusr/\nusr/B\nusr/b\nusr/é\n"
    )


def test_what_cannot_be_printed_in_a_path_is_escaped() -> None:
    assert (
        files(["a\\b", "a\nb", "a\x01b", "a\udcffb"])
        == "%FILES%\n" + "\n".join(sorted(["a\\\\b", "a\\nb", "a\\001b", "a\\377b"])) + "\n"
    )
