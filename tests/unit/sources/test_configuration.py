"""What `quarters.toml` beside a PKGBUILD says about how a recipe is built."""

import pytest

from quarters.formats.pacman import Pacman
from quarters.model.errors import RecipeInvalid
from quarters.model.recipe import Configuration
from quarters.sources import pacman_recipe
from quarters.sources.configuration import configuration
from quarters.sources.folder import Folder

PKGBUILD = b"pkgname=a\npkgver=1\npkgrel=1\narch=(any)\n"
SRCINFO = b"pkgbase = a\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = any\n\npkgname = a\n"


def test_everything_can_be_said() -> None:
    said = b"class = 3\nmemory = '8 GiB'\ndisk = 1024\npriority = -2\ntimeout = 7200\n"
    assert configuration(said) == Configuration(
        build_class=3, memory=8 << 30, disk=1024, priority=-2, timeout=7200
    )


def test_a_class_that_is_a_name_is_that_of_the_only_builder() -> None:
    assert configuration(b"class = 'anvil'") == Configuration(builder="anvil")


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (b"memroy = 1", "quarters.toml: memroy is not a setting of a recipe; did you mean memory\\?"),
        (
            b"x = 1",
            "quarters.toml: x is not a setting of a recipe; known are bump, cache_sources, ccache, checks, class, .*",
        ),
        (b"memory = 'much'", "quarters.toml: memory: 'much' is not an amount such as 8 GiB."),
        (b"disk = -1", "quarters.toml: disk: -1 is not an amount such as 8 GiB."),
        (b"timeout = 'long'", "quarters.toml: timeout: expected int, got str."),
        (b"timeout = -1", "quarters.toml: timeout is a number of seconds up to 2592000."),
        (b"class = -1", "quarters.toml: class is a number from 0 to 10000, or a builder's name."),
        (b"class = ''", "quarters.toml: class is a number, or a builder's name of at most 63 letters."),
        (b"priority = 101", "quarters.toml: priority is from -100 to 100."),
        (b"class = ", r"quarters.toml is not valid TOML: .*"),
        (b"\xff", r"quarters.toml is not valid TOML: .*"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(written: bytes, why: str) -> None:
    with pytest.raises(RecipeInvalid, match=f"^{why}$"):
        configuration(written)


def test_it_is_read_with_the_metadata_wherever_that_comes_from() -> None:
    files = {"PKGBUILD": PKGBUILD, ".SRCINFO": SRCINFO, "quarters.toml": b"class = 1"}
    recipe = pacman_recipe.committed(Folder(files), Pacman())
    assert recipe is not None
    assert recipe.configuration.build_class == 1
    evaluated = pacman_recipe.evaluated(Folder(files), SRCINFO.decode(), Pacman())
    assert evaluated.configuration.build_class == 1
    del files["quarters.toml"]
    plain = pacman_recipe.committed(Folder(files), Pacman())
    assert plain is not None
    assert plain.configuration == Configuration()
