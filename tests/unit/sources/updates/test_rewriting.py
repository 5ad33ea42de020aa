"""New versions in a PKGBUILD's text."""

import pytest

from quarters.model.errors import RecipeInvalid
from quarters.sources.updates.rewriting import has_checksums, released, with_checksums

PKGBUILD = """\
pkgname=tool
pkgver=1.0
pkgrel=3  # built again
_commit='aaaa'
source=("https://example.org/v1.0/tool-$pkgver.tar.gz"
        "https://example.org/11.0/1.0.1.patch"
        "git+https://example.org/tool.git#commit=aaaa")
sha256sums=('00'
            'SKIP')
build() {
  echo 1.0
}
"""


def test_version_release_commit_and_what_sources_spell_out_are_written_anew() -> None:
    text = released(PKGBUILD, "1.1", "1.0", "bbbb")
    assert "pkgver=1.1\npkgrel=1  # built again\n_commit='bbbb'\n" in text
    assert '"https://example.org/v1.1/tool-$pkgver.tar.gz"' in text
    assert "#commit=bbbb" in text


def test_other_versions_and_other_places_stay() -> None:
    text = released(PKGBUILD, "1.1", "1.0")
    assert "11.0/1.0.1.patch" in text
    assert "echo 1.0" in text
    assert "_commit='aaaa'" in text


@pytest.mark.parametrize("version", ["1.0-rc1", "1 0", "$(id)", "1.0'", ""])
def test_what_can_be_no_pkgver_is_refused(version: str) -> None:
    with pytest.raises(RecipeInvalid, match="cannot be a pkgver"):
        released(PKGBUILD, version, "1.0")


def test_a_version_that_is_worked_out_is_not_written_over() -> None:
    with pytest.raises(RecipeInvalid, match="plain word"):
        released(PKGBUILD.replace("pkgver=1.0", "pkgver=${_major}.0"), "1.1", "1.0")


def test_checksums_take_the_place_of_those_of_the_same_name() -> None:
    text = with_checksums(PKGBUILD, "md5sums=('1')\nsha256sums=('11'\n  'SKIP')\n")
    assert "sha256sums=('11'\n  'SKIP')\nbuild()" in text
    assert "md5sums" not in text


def test_a_recipe_that_checks_nothing_has_no_checksums() -> None:
    assert not has_checksums("source=(git+https://example.org)\nsha256sums=('SKIP')\n")
    assert has_checksums(f"sha256sums=('{'0a' * 32}')\n")
