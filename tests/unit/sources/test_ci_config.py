"""`.CI/config` as Chaotic-AUR's trees have it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpus import read_configurations
from quarters.formats.pacman import Pacman
from quarters.model.errors import RecipeInvalid
from quarters.model.recipe import Configuration
from quarters.sources import pacman_recipe
from quarters.sources.ci_config import configuration, edited, settings
from quarters.sources.ci_defaults import defaults
from quarters.sources.folder import Folder
from tests.unit.sources.test_configuration import PKGBUILD, SRCINFO


def test_everything_means_what_it_means_there() -> None:
    said = b"""# kept
CI_PKGBUILD_SOURCE=aur
CI_PACKAGE_BUMP=1:2.3.1-1/3
CI_REBUILD_TRIGGERS=boost:ffmpeg:icu
CI_ON_TRIGGER="daily"
CI_FORCE_VCS=true
CI_NVCHECKER=1
CI_MANAGE_AUR=true
CI_PKGBUILD_CHANGE_ALLOW_REGEX='_commit=.*;^_rev='
BUILDER_CLASS=7
BUILDER_EXTRA_TIMEOUT=2
BUILDER_CACHE_SOURCES=true
BUILDER_ALLOW_PROHIBITED=true
SOMETHING_ELSE=x
"""
    assert configuration(said) == Configuration(
        build_class=7,
        timeout_factor=2,
        bump_from="1:2.3.1-1",
        bump=3,
        cache_sources=True,
        keep_replaces=True,
        upstream="aur",
        follow_vcs=True,
        nvchecker=True,
        publish_to_aur=True,
        rebuild_on=("boost", "ffmpeg", "icu"),
        trigger="daily",
        minor_changes=("_commit=.*", "^_rev="),
    )


def test_a_bump_without_a_number_is_one_step_and_a_class_may_be_a_builder() -> None:
    said = configuration(b"CI_PACKAGE_BUMP=1.6.1-4\nBUILDER_CLASS=anvil\n")
    assert (said.bump_from, said.bump, said.build_class, said.builder) == ("1.6.1-4", 1, 0, "anvil")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (b"CI_PACKAGE_BUMP=1.2", "CI_PACKAGE_BUMP|1.2 is not a version with pkgrel"),
        (b"BUILDER_EXTRA_TIMEOUT=long", "BUILDER_EXTRA_TIMEOUT=long is not a number"),
        (b"CI_PKGBUILD_CHANGE_ALLOW_REGEX=(", "is not a regular expression"),
    ],
)
def test_what_makes_no_sense_is_refused(written: bytes, sentence: str) -> None:
    with pytest.raises(RecipeInvalid, match=sentence):
        configuration(written)


def test_an_exit_code_for_the_whole_tree_has_to_be_one() -> None:
    assert defaults(b"CI_CODE_SKIP='7'\n").skip_code == 7
    with pytest.raises(RecipeInvalid, match="CI_CODE_SKIP=300 is not an exit code from 1 to 255"):
        defaults(b"CI_CODE_SKIP=300\n")


def test_the_native_form_has_the_last_word_key_by_key() -> None:
    folder = Folder(
        {
            "PKGBUILD": PKGBUILD,
            ".SRCINFO": SRCINFO,
            ".CI/config": b"BUILDER_CLASS=7\nCI_PACKAGE_BUMP=1-1/3\n",
            "quarters.toml": b"class = 'anvil'\nmemory = '1 GiB'\nbump = '1-1/4'\n",
        }
    )
    recipe = pacman_recipe.committed(folder, Pacman())
    assert recipe is not None
    assert recipe.configuration == Configuration(
        builder="anvil", memory=1 << 30, bump_from="1-1", bump=4, keep_replaces=False
    )


def test_editing_keeps_comments_order_and_unknown_keys() -> None:
    text = "# why\nA=1 # one\nOTHER='x y'\nA=2\n"
    assert edited(text, "A", "3") == "# why\nA=1 # one\nOTHER='x y'\nA=3\n"
    assert edited(text, "NEW", "n") == text + "NEW=n\n"
    assert edited("A=1", "B", "2") == "A=1\nB=2\n"
    assert edited(text, "OTHER", "") == "# why\nA=1 # one\nA=2\n"


KEYS = st.from_regex(r"[A-Z_]{1,8}", fullmatch=True)
VALUES = st.from_regex(r"[\w./:-]{1,12}", fullmatch=True)


@given(st.text(max_size=200), KEYS, VALUES)
def test_what_was_set_is_read_and_nothing_else_changes(text: str, key: str, value: str) -> None:
    before, after = settings(text), settings(edited(text, key, value))
    assert after[key] == value
    assert {k: v for k, v in after.items() if k != key} == {k: v for k, v in before.items() if k != key}


def test_every_configuration_of_a_real_tree_can_be_read(corpus: Path) -> None:
    found = [configuration(content) for content in read_configurations(corpus).values()]
    assert len(found) == 2534
    assert sum(1 for it in found if it.bump) == 1259
    assert sum(1 for it in found if it.rebuild_on) == 186
    assert sum(1 for it in found if it.build_class or it.builder) == 91
