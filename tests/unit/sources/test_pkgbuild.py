"""What is read off a PKGBUILD without running it."""

import time

import pytest

from quarters.sources.pkgbuild import has_pkgver_function, literals


def test_plain_quoted_and_commented_values_are_read() -> None:
    text = "pkgname=foo\npkgver='1.2'  # why\npkgrel=\"3\"\nepoch=\n#pkgbase=old\n"
    assert literals(text) == {"pkgname": ("foo",), "pkgver": ("1.2",), "pkgrel": ("3",), "epoch": ()}


def test_an_array_may_run_over_lines_and_hold_comments() -> None:
    text = "depends=('glibc>=2.38' # for new things\n  \"zlib\"\n  # old=1\n  bash)\narch=(any)\nmakedepends=()\n"
    assert literals(text) == {"depends": ("glibc>=2.38", "zlib", "bash"), "arch": ("any",), "makedepends": ()}


@pytest.mark.parametrize(
    "text",
    [
        "pkgver=$_ver\n",
        'pkgver="${_a}.1"\n',
        "pkgver=`date`\n",
        "pkgver=1\npkgver=2\n",
        "pkgver=1\nif true; then\n  pkgver=2\nfi\n",
        "pkgver=1; pkgver=2\n",
        "pkgver=1\npkgver+=2\n",
        "pkgver=1\neval x\n",
        "pkgver=1\nsource other.sh\n",
        "pkgver=1\n. other.sh\n",
        "pkgver=1\nunset pkgver\n",
        "  pkgver=1\n",
        "pkgver=(1 *)\n",
        "pkgver=({1,2})\n",
        "pkgver=('unended\n",
    ],
)
def test_what_is_in_any_doubt_is_left_out(text: str) -> None:
    assert literals(text) == {}


def test_what_functions_set_does_not_count() -> None:
    text = (
        "depends=(a)\npkgver=1\npackage_x() {\n  depends=(b)\ndepends+=(c)\n}\n"
        "function build {\npkgver=3\n}\nprepare() { pkgver=4; }\narch=(any)\n"
    )
    assert literals(text) == {"depends": ("a",), "pkgver": ("1",), "arch": ("any",)}


@pytest.mark.parametrize(
    "text",
    ["pkgver() {\n", "x=1\npkgver () {\n", "function pkgver {\n", "function pkgver() {\n", "  pkgver() {\n"],
)
def test_a_pkgver_function_is_seen(text: str) -> None:
    assert has_pkgver_function(text)


@pytest.mark.parametrize("text", ["pkgver=1\n", "# pkgver() {\n", "_pkgver() {\n", "function pkgversion {\n"])
def test_what_only_looks_like_a_pkgver_function_is_none(text: str) -> None:
    assert not has_pkgver_function(text)


@pytest.mark.parametrize(
    "unit",
    [
        "a(){\n",
        "arch=(",
        "arch=(\n",
        "depends=('a' ",
        " ",
        "\n",
        "# \n",
        "depends=(\n \n",
        "'",
        "pkgver=",
        ";  \n",
    ],
)
def test_no_text_takes_long_to_read(unit: str) -> None:
    for prefix in ("", "depends=(", "pkgver=1"):
        begun = time.process_time()
        text = prefix + unit * ((1 << 18) // len(unit))
        literals(text)
        has_pkgver_function(text)
        assert time.process_time() - begun < 2
