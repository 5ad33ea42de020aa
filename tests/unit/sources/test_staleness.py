"""When a .SRCINFO is believed, and when the PKGBUILD is asked."""

import pytest

from quarters.formats.pacman import Pacman
from quarters.model.errors import RecipeInvalid
from quarters.sources import pacman_recipe
from quarters.sources.folder import Folder

SRCINFO = """\
pkgbase = foo
\tpkgver = 1.2
\tpkgrel = 1
\tepoch = 2
\tarch = x86_64
\tmakedepends = cmake
\tdepends = glibc>=2.38
\tdepends = zlib

pkgname = foo
\tdepends = extra

pkgname = foo-docs
"""
PKGBUILD = """\
pkgbase=foo
pkgname=(foo foo-docs)
pkgver=1.2
pkgrel=1
epoch=2
arch=('x86_64')
depends=('zlib' 'glibc>=2.38')
makedepends=(cmake)
package_foo() {
  depends+=(extra)
}
"""


def is_current(pkgbuild: str, srcinfo: str = SRCINFO) -> bool:
    folder = Folder({"PKGBUILD": pkgbuild.encode(), ".SRCINFO": srcinfo.encode()})
    return pacman_recipe.committed(folder, Pacman()) is not None


def test_a_srcinfo_that_says_what_the_pkgbuild_says_is_current() -> None:
    assert is_current(PKGBUILD)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pkgver=1.2", "pkgver=1.3"),
        ("pkgrel=1", "pkgrel=2"),
        ("epoch=2", "epoch=3"),
        ("epoch=2", "epoch="),
        ("pkgbase=foo", "pkgbase=bar"),
        ("(foo foo-docs)", "(foo)"),
        ("('x86_64')", "('x86_64' 'aarch64')"),
        ("'zlib' ", ""),
        ("glibc>=2.38", "glibc>=2.39"),
        ("(cmake)", "(cmake ninja)"),
        ("(cmake)", "()"),
        ("(cmake)", "('=')"),
    ],
)
def test_any_literal_that_differs_makes_it_stale(before: str, after: str) -> None:
    assert before in PKGBUILD
    assert not is_current(PKGBUILD.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after"), [("pkgver=1.2", "pkgver=$_v"), ("(cmake)", "($_tools)"), ("pkgbase=foo\n", "")]
)
def test_in_doubt_the_srcinfo_is_believed(before: str, after: str) -> None:
    assert is_current(PKGBUILD.replace(before, after))


def test_a_pkgver_function_allows_another_version_but_nothing_else() -> None:
    dynamic = PKGBUILD + "pkgver() {\n  git describe\n}\n"
    assert is_current(dynamic.replace("pkgver=1.2", "pkgver=1.1"))
    assert is_current(dynamic.replace("pkgver=1.2", "pkgver=1.1").replace("pkgrel=1", "pkgrel=5"))
    assert not is_current(dynamic.replace("pkgrel=1", "pkgrel=5"))
    assert not is_current(dynamic.replace("pkgver=1.2", "pkgver=1.1").replace("(cmake)", "(ninja)"))


def test_a_recipe_knows_whether_its_version_is_worked_out() -> None:
    for text, dynamic in ((PKGBUILD, False), (PKGBUILD + "pkgver() {\n  :\n}\n", True)):
        folder = Folder({"PKGBUILD": text.encode(), ".SRCINFO": SRCINFO.encode()})
        recipe = pacman_recipe.committed(folder, Pacman())
        assert recipe is not None
        assert recipe.dynamic_version is dynamic


def test_a_missing_or_garbled_srcinfo_leaves_it_to_the_pkgbuild() -> None:
    assert pacman_recipe.committed(Folder({"PKGBUILD": b""}), Pacman()) is None
    assert not is_current(PKGBUILD, "nonsense")


def test_metadata_that_makepkg_printed_is_not_called_a_srcinfo() -> None:
    with pytest.raises(RecipeInvalid, match=r"^What makepkg prints is empty\.$"):
        pacman_recipe.evaluated(Folder({"PKGBUILD": b""}), "", Pacman())
