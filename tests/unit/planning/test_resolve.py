"""What a plan takes in, and which build waits for which."""

from typing import Any

import msgspec
import pytest

from quarters.model.build import Cause
from quarters.model.recipe import NeedKind, Recipe
from quarters.planning.matching import How, Matcher
from quarters.planning.outdated import Wanted, outdated
from quarters.planning.plan import Current
from quarters.planning.resolve import Edge, resolve
from tests.unit.planning.recipes import (
    PACMAN,
    catalog,
    edges,
    messages,
    needs,
    order,
    output,
    planned,
    published,
    recipe,
    with_,
)


def test_a_recipe_that_bears_the_name_beats_one_that_provides_it() -> None:
    known = catalog(recipe("app", depends="java"), recipe("a-java", provides="java"), recipe("java"))
    assert edges(planned("app a-java java", known))["app"] == ["java"]


def test_a_provider_in_the_plan_beats_one_that_is_published() -> None:
    known = catalog(
        recipe("app", depends="java"),
        recipe("jdk", provides="java"),
        here=published("jre=8-1", provides="java"),
    )
    assert edges(planned("app jdk", known))["app"] == ["jdk"]


@pytest.mark.parametrize("where", ["here", "upstream"])
def test_a_package_of_that_name_beats_a_provider_in_the_plan_because_pacman_will_install_it(
    where: str,
) -> None:
    available: dict[str, Any] = {"here": published("java=8-1")} if where == "here" else {"upstream": "java"}
    known = catalog(recipe("app", depends="java"), recipe("jdk", provides="java"), **available)
    assert edges(planned("app jdk", known))["app"] == []


def test_a_package_of_that_name_with_another_version_does_not_beat_a_provider_in_the_plan() -> None:
    known = catalog(
        recipe("app", depends="java>=9"), recipe("jdk", provides="java=9"), here=published("java=8-1")
    )
    assert edges(planned("app jdk", known))["app"] == ["jdk"]


def test_what_is_published_or_upstream_keeps_a_recipe_out_of_the_plan() -> None:
    known = catalog(
        recipe("app", depends="one two"),
        recipe("one"),
        recipe("two"),
        here=published("one=1.0-1"),
        upstream="two",
    )
    assert order(planned("app", known)) == ["app"]


def test_a_recipe_joins_for_a_need_and_brings_its_own_needs() -> None:
    known = catalog(recipe("app", depends="lib"), recipe("lib", makedepends="tool>=1"), recipe("tool"))
    plan = planned("app", known)
    assert order(plan) == ["tool", "lib", "app"]
    assert [build.stage for build in plan.builds] == [0, 1, 2]
    assert [build.cause for build in plan.builds] == [Cause.DEPENDENCY, Cause.DEPENDENCY, Cause.REQUESTED]
    assert plan.builds[0].detail == "lib needs tool>=1 (makedepends); 1.0-1 was never published"
    assert plan.builds[1].needs == (Edge("tool", "tool>=1", NeedKind.MAKEDEPENDS, How.NAME),)


def test_the_alphabetically_first_provider_joins_and_only_that_one() -> None:
    known = catalog(recipe("app", depends="java"), recipe("b", provides="java"), recipe("a", provides="java"))
    assert order(planned("app", known)) == ["a", "app"]


def test_providers_are_ordered_by_the_package_and_not_by_the_pkgbase() -> None:
    split = msgspec.structs.replace(recipe("a"), outputs=(output("z", "java"),))
    known = catalog(recipe("app", depends="java"), split, recipe("b", provides="java"))
    assert order(planned("app", known)) == ["b", "app"]


def test_a_provider_that_is_in_the_plan_anyway_spares_the_first_one() -> None:
    known = catalog(
        recipe("app", depends="java b"), recipe("a", provides="java"), recipe("b", provides="java")
    )
    assert order(planned("app", known)) == ["b", "app"]


def test_a_recipe_in_the_plan_with_too_low_a_version_is_passed_over_for_the_next_place() -> None:
    known = catalog(recipe("app", depends="lib>=2"), recipe("lib", "1.0-1"), upstream=published("lib=2.0-1"))
    assert edges(planned("app lib", known))["app"] == []


def test_a_newer_recipe_joins_where_the_published_version_does_not_do() -> None:
    known = catalog(recipe("app", depends="foo>=2"), recipe("foo", "2.0-1"), here=published("foo=1.0-1"))
    assert order(planned("app", known)) == ["foo", "app"]


def test_an_outdated_recipe_stays_out_where_the_published_version_does() -> None:
    known = catalog(recipe("app", depends="foo"), recipe("foo", "2.0-1"), here=published("foo=1.0-1"))
    assert order(planned("app", known)) == ["app"]


def test_a_versioned_dependency_is_never_satisfied_by_an_unversioned_provide() -> None:
    known = catalog(recipe("app", depends="java>=8"), recipe("jdk", provides="java"))
    assert messages(planned("app", known)) == [
        "Nothing satisfies java>=8: app -> java>=8 (depends). There is only java (recipe jdk)."
    ]


def test_a_versioned_provide_satisfies_a_versioned_dependency() -> None:
    known = catalog(recipe("app", depends="java>=8"), recipe("jdk", provides="java=17"))
    assert edges(planned("app", known))["app"] == ["jdk"]


def test_a_soname_that_only_the_build_completes_still_orders_the_builds() -> None:
    known = catalog(recipe("app", depends="libhq.so=3-64"), recipe("hq", provides="libhq.so"))
    (_, app) = planned("app", known).builds
    assert app.needs == (Edge("hq", "libhq.so=3-64", NeedKind.DEPENDS, How.SONAME),)


def test_a_declared_soname_version_is_taken_at_its_word() -> None:
    known = catalog(recipe("app", depends="libhq.so=3-64"), recipe("hq", provides="libhq.so=2-64"))
    assert [problem.name for problem in planned("app", known).problems] == ["app"]


def test_a_published_packages_sonames_are_exact() -> None:
    hq = recipe("hq", provides="libhq.so")
    app = recipe("app", depends="libhq.so=3-64")
    satisfied = catalog(app, hq, here=published("hq=1.0-1", provides="libhq.so=3-64"))
    assert order(planned("app", satisfied)) == ["app"]
    # Building the same hq again would only give the same library again.
    too_old = catalog(app, hq, here=published("hq=1.0-1", provides="libhq.so=2-64"))
    assert [problem.name for problem in planned("app", too_old).problems] == ["app"]
    newer = catalog(
        app, recipe("hq", "2.0-1", provides="libhq.so"), here=published("hq=1.0-1", provides="libhq.so=2-64")
    )
    assert order(planned("app", newer)) == ["hq", "app"]


def test_needs_of_other_architectures_do_not_count() -> None:
    app = msgspec.structs.replace(
        recipe("app"), needs=(*needs("arm", arch="aarch64"), *needs("amd", arch="x86_64"))
    )
    assert order(planned("app", catalog(app, recipe("arm"), recipe("amd")))) == ["amd", "app"]


def test_checkdepends_count_only_where_checks_run() -> None:
    app = msgspec.structs.replace(recipe("app"), needs=needs("tester", NeedKind.CHECKDEPENDS))
    known = catalog(app, recipe("tester"))
    assert order(planned("app", known)) == ["tester", "app"]
    assert order(planned("app", with_(known, checks=False))) == ["app"]


def split_package() -> Recipe:
    return msgspec.structs.replace(
        recipe("kit"),
        outputs=(output("kit-libs", "kit-api=1"), output("kit-tools")),
        needs=(*needs("kit-libs=1.0-1 kit-api>=1 other", output="kit-tools"),),
    )


def test_a_dependency_on_ones_own_other_output_is_no_edge() -> None:
    assert edges(planned("kit", catalog(split_package(), recipe("other"))))["kit"] == ["other"]


def test_every_output_of_a_split_package_can_be_asked_for_and_needed() -> None:
    known = catalog(split_package(), recipe("other"), recipe("app", depends="kit-tools"))
    assert order(planned("kit-libs", known)) == ["other", "kit"]
    assert edges(planned("app", known))["app"] == ["kit"]


def test_what_a_build_needs_to_begin_comes_from_elsewhere_even_if_it_provides_that_itself() -> None:
    known = catalog(recipe("rust-git", makedepends="rust", provides="rust"), upstream="rust")
    assert edges(planned("rust-git", known)) == {"rust-git": []}


def test_what_a_build_needs_to_begin_brings_another_recipe_in_if_only_itself_would_do() -> None:
    known = catalog(recipe("rust-git", makedepends="rust", provides="rust"), recipe("rust"))
    assert edges(planned("rust-git", known))["rust-git"] == ["rust"]


def test_a_bearer_of_the_name_beats_what_the_recipe_itself_provides() -> None:
    known = catalog(recipe("foo-git", depends="foo", provides="foo"), recipe("foo"))
    assert edges(planned("foo-git foo", known))["foo-git"] == ["foo"]
    assert edges(planned("foo-git", known)) == {"foo-git": []}


def test_of_two_recipes_that_make_the_same_package_the_alphabetically_first_is_taken() -> None:
    twins = [
        msgspec.structs.replace(recipe(base), outputs=(output("linux"),)) for base in ("linux-b", "linux-a")
    ]
    assert order(planned("app", catalog(recipe("app", depends="linux"), *twins))) == ["linux-a", "app"]


def test_who_is_said_to_have_brought_a_recipe_in_does_not_depend_on_the_order_of_asking() -> None:
    known = catalog(recipe("a", depends="lib"), recipe("b", depends="lib"), recipe("lib"))
    first, second = (
        resolve(roots, known, Matcher(known, PACMAN), PACMAN) for roots in (["a", "b"], ["b", "a"])
    )
    assert first == second


def test_something_up_to_date_is_named_and_not_built() -> None:
    plan = planned("foo", catalog(recipe("foo"), here=published("foo=1.0-1")))
    assert plan.builds == ()
    assert plan.current == (Current(pkgbase="foo", version="1.0-1", message="foo 1.0-1 is up to date."),)


def test_something_up_to_date_is_built_again_where_that_is_forced() -> None:
    known = catalog(recipe("foo"), here=published("foo=1.0-1"))
    (build,) = planned([Wanted("foo", force=True)], known).builds
    assert (build.cause, build.bump) == (Cause.REQUESTED, 1)


def test_a_dependency_whose_published_file_lacks_what_is_needed_is_built_under_a_bump() -> None:
    split = split_package()
    known = catalog(
        split,
        recipe("other"),
        recipe("app", depends="kit-tools"),
        here=published("kit-libs=1.0-1", base="kit"),
    )
    kit = next(build for build in planned("app", known).builds if build.pkgbase == "kit")
    assert (kit.cause, kit.bump) == (Cause.DEPENDENCY, 1)


def test_everything_outdated_is_planned_with_its_own_cause() -> None:
    known = catalog(
        recipe("app", depends="lib"),
        recipe("lib", "2.0-1"),
        recipe("same"),
        here=published("lib=1.0-1", "same=1.0-1"),
        built={"same": "before"},
    )
    plan = planned(outdated(known, PACMAN), known)
    assert {build.pkgbase: build.cause for build in plan.builds} == {
        "lib": Cause.NEW_VERSION,
        "same": Cause.RECIPE_CHANGED,
        "app": Cause.NEW,
    }


@pytest.mark.parametrize("wanted", ["app lib", "lib app", "lib app lib"])
def test_the_order_of_asking_does_not_matter(wanted: str) -> None:
    known = catalog(recipe("app", depends="lib"), recipe("lib"))
    assert planned(wanted, known) == planned("app lib", known)


def test_a_plan_is_data() -> None:
    plan = planned("app", catalog(recipe("app", depends="lib"), recipe("lib")))
    assert msgspec.json.decode(msgspec.json.encode(plan), type=type(plan)) == plan
