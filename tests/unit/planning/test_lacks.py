"""What a plan waits for, because an upstream has it only in an older version."""

import pytest

from quarters.planning.outdated import Wanted
from quarters.planning.plan import Plan, plan
from tests.unit.planning.recipes import PACMAN, catalog, published, recipe


def _planned(need: str, *upstream: str, provides: str = "") -> Plan:
    there = published(*upstream, provides=provides)
    return plan([Wanted("app")], catalog(recipe("app", depends=need), upstream=there), PACMAN)


@pytest.mark.parametrize(
    ("need", "there"),
    [
        ("glibc>=2.40", "2.39-1"),
        ("glibc=2.40", "2.39-1"),
        ("glibc>2.39-1", "2.39-1"),
        ("glibc>=1:1", "2.39-1"),
    ],
)
def test_a_newer_version_than_upstream_has_is_waited_for(need: str, there: str) -> None:
    (build,) = _planned(need, "glibc=2.39-1").builds
    assert [(one.dependency, one.there) for one in build.lacks] == [(need, there)]


def test_of_several_upstream_versions_the_newest_is_named() -> None:
    (build,) = _planned("glibc>=2.40", "glibc=2.38-1", "glibc=2.39-3").builds
    assert build.lacks[0].there == "2.39-3"


def test_a_soname_that_upstream_has_at_an_older_version_is_waited_for() -> None:
    (build,) = _planned("libicuuc.so=78-64", "icu=76.1-1", provides="libicuuc.so=76-64").builds
    assert build.lacks[0].told() == "libicuuc.so=78-64, of which upstream has only 76-64"


@pytest.mark.parametrize("need", ["glibc<2", "glibc=2.38", "glibc<=2.38", "musl", "musl>=1"])
def test_what_upstream_will_never_bring_by_moving_on_is_a_problem(need: str) -> None:
    made = _planned(need, "glibc=2.39-1")
    assert made.builds == ()
    assert made.problems[0].chain == ("app", need)


def test_what_needs_a_build_that_lacks_something_waits_for_that_build() -> None:
    recipes = recipe("top", depends="app"), recipe("app", depends="glibc>=2.40")
    made = plan([Wanted("top")], catalog(*recipes, upstream=published("glibc=2.39-1")), PACMAN)
    assert [(one.pkgbase, len(one.lacks)) for one in made.builds] == [("app", 1), ("top", 0)]
    assert made.problems == ()
