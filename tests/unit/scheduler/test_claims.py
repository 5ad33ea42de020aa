"""What an assignment makes of a recipe."""

import pytest

from quarters.model.recipe import Dependency, Need, NeedKind, Output, Recipe
from quarters.scheduler.claims import dependencies, is_remote

RECIPE = Recipe(
    pkgbase="hello",
    version="1-1",
    arches=("x86_64", "riscv64"),
    outputs=(Output("hello", ("x86_64",)), Output("hello-data", ("any",)), Output("hello-rv", ("riscv64",))),
    needs=(
        Need(Dependency("glibc", ">=", "2.38"), NeedKind.DEPENDS),
        Need(Dependency("hello-data"), NeedKind.DEPENDS),
        Need(Dependency("python"), NeedKind.DEPENDS, output="hello-data"),
        Need(Dependency("nasm"), NeedKind.MAKEDEPENDS, arch="x86_64"),
        Need(Dependency("glibc", ">=", "2.38"), NeedKind.MAKEDEPENDS),
        Need(Dependency("bats"), NeedKind.CHECKDEPENDS),
    ),
)


def test_what_the_base_needs_is_installed_once_and_as_the_recipe_writes_it() -> None:
    assert dependencies(RECIPE, "x86_64", checks=True) == ("glibc>=2.38", "nasm", "bats")


def test_checkdepends_are_installed_only_where_checks_run() -> None:
    assert dependencies(RECIPE, "riscv64", checks=False) == ("glibc>=2.38",)


def test_only_packages_of_this_architecture_are_promised() -> None:
    assert RECIPE.made_for("x86_64") == ("hello", "hello-data")


@pytest.mark.parametrize(
    "source",
    ["https://example.org/a.tar.gz", "a.tgz::ftp://example.org/a", "git+file:///srv/a", "src::git+ssh://a@b/c",
     "lp:project", "hg+https://example.org/a", "name::svn+https://example.org/a#revision=1"],
)  # fmt: skip
def test_a_source_with_a_scheme_has_to_be_fetched(source: str) -> None:
    assert is_remote(source)


@pytest.mark.parametrize("source", ["fix.patch", "a:b.txt", "git-config", "lp.conf", "sub/https"])
def test_a_file_beside_the_recipe_has_not(source: str) -> None:
    assert not is_remote(source)
