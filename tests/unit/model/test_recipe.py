"""What a recipe says about building it."""

import pytest
from msgspec.structs import replace

from quarters.model.recipe import Configuration, Dependency, Need, NeedKind, Output, Recipe

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
    assert RECIPE.installed_first("x86_64", checks=True) == ("glibc>=2.38", "nasm", "bats")


def test_checkdepends_are_installed_only_where_checks_run() -> None:
    assert RECIPE.installed_first("riscv64", checks=False) == ("glibc>=2.38",)


def test_only_packages_of_this_architecture_are_promised() -> None:
    assert RECIPE.made_for("x86_64") == ("hello", "hello-data")


@pytest.mark.parametrize(
    "source",
    ["https://example.org/a.tar.gz", "a.tgz::ftp://example.org/a", "git+file:///srv/a", "src::git+ssh://a@b/c",
     "lp:project", "hg+https://example.org/a", "name::svn+https://example.org/a#revision=1"],
)  # fmt: skip
def test_a_source_with_a_scheme_has_to_be_fetched(source: str) -> None:
    assert replace(RECIPE, sources=("fix.patch", source)).has_remote_sources


@pytest.mark.parametrize("source", ["fix.patch", "a:b.txt", "git-config", "lp.conf", "sub/https"])
def test_a_file_beside_the_recipe_has_not(source: str) -> None:
    assert not replace(RECIPE, sources=(source,)).has_remote_sources


def test_a_recipe_may_say_whether_its_checks_run_whatever_the_repository_says() -> None:
    never = replace(RECIPE, configuration=Configuration(checks=False))
    always = replace(RECIPE, configuration=Configuration(checks=True))
    assert (never.checked(True), always.checked(False), RECIPE.checked(True)) == (False, True, True)
    assert never.installed_first("riscv64", checks=True) == ("glibc>=2.38",)
    assert "bats" in always.installed_first("riscv64", checks=False)
