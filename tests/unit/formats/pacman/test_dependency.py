"""A dependency is met exactly when pacman would say so."""

import pytest

from quarters.formats.pacman.dependency import parse_dependency, parse_provision, satisfies
from quarters.model.errors import Invalid
from quarters.model.recipe import Dependency, Provision


@pytest.mark.parametrize(
    ("text", "dependency"),
    [
        ("glibc", Dependency("glibc")),
        ("name>=1:2-3", Dependency("name", ">=", "1:2-3")),
        ("name<=2", Dependency("name", "<=", "2")),
        ("name<2", Dependency("name", "<", "2")),
        ("name>2", Dependency("name", ">", "2")),
        ("name=2", Dependency("name", "=", "2")),
        ("libfoo.so", Dependency("libfoo.so")),
        ("libfoo.so=1-64", Dependency("libfoo.so", "=", "1-64")),
        ("lib32-gtk+>=3", Dependency("lib32-gtk+", ">=", "3")),
        ("bash: for the script", Dependency("bash")),
        ("bash>=1:5: for the script", Dependency("bash", ">=", "1:5")),
    ],
)
def test_a_dependency_is_read(text: str, dependency: Dependency) -> None:
    assert parse_dependency(text) == dependency


@pytest.mark.parametrize("text", ["glibc", "name>=1:2-3", "libfoo.so=1-64", "a<1"])
def test_a_dependency_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_dependency(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "=1",
        ">=1",
        "name>=",
        "name=",
        "two words",
        "name >= 1",
        "a==1",
        "a=>1",
        "a\x1b[2J",
        "a=1\x9b",
    ],
)
def test_what_is_no_dependency_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_dependency(text)


@pytest.mark.parametrize(
    ("provided", "needed"),
    [
        ("b=1-1", "b"),
        ("b=1-1", "b=1"),
        ("b=1-1", "b>=1"),
        ("b=1:1-1", "b>1"),
        ("b=2-1", "b>1"),
        ("b=1-2", "b<2"),
        ("b=1-2", "b<=1-2"),
        ("b", "b"),
        ("b>=1", "b"),
        ("libx.so=1-64", "libx.so"),
        ("libx.so=1-64", "libx.so=1"),
        ("libx.so=1-64", "libx.so=1-64"),
        ("libx.so=2-64", "libx.so>=1"),
    ],
)
def test_a_dependency_is_met(provided: str, needed: str) -> None:
    assert satisfies(parse_provision(provided), parse_dependency(needed))


@pytest.mark.parametrize(
    ("provided", "needed"),
    [
        ("b=1-1", "c"),
        ("b=1:1-1", "b=1"),
        ("b=1-1", "b=1-2"),
        ("b=1-1", "b>1"),
        ("b=1-1", "b<1"),
        ("libx.so=1-64", "libx.so=1-32"),
        ("libx.so=1-64", "libx.so=2-64"),
    ],
)
def test_a_dependency_is_not_met(provided: str, needed: str) -> None:
    assert not satisfies(parse_provision(provided), parse_dependency(needed))


@pytest.mark.parametrize("op", ["=", ">=", "<=", ">", "<"])
def test_a_versioned_dependency_is_never_satisfied_by_an_unversioned_provide(op: str) -> None:
    assert not satisfies(Provision("v"), Dependency("v", op, "1"))


def test_a_provide_with_another_operator_than_equals_has_no_version() -> None:
    assert parse_provision("v>=1") == Provision("v")
