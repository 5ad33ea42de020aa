"""When a recipe wants building."""

import msgspec

from quarters.model.build import Cause
from quarters.model.recipe import Configuration
from quarters.planning.outdated import Standing, Wanted, outdated, standing
from tests.unit.planning.recipes import PACMAN, catalog, output, planned, published, recipe, with_

OLD = {"foo": "old"}
SAME = {"foo": "now"}


def how_foo_stands(version: str, here: str, built: dict[str, str], *, dynamic: bool = False) -> Standing:
    foo = msgspec.structs.replace(recipe("foo", version), dynamic_version=dynamic)
    return standing("foo", catalog(foo, here=published(*here.split(), base="foo"), built=built), PACMAN)


def test_a_recipe_that_was_never_published_is_new() -> None:
    assert how_foo_stands("1.0-1", "", {}) == Standing(Cause.NEW, 0, "1.0-1 was never published")


def test_a_higher_version_is_wanted_by_the_formats_order_and_not_as_a_string() -> None:
    assert how_foo_stands("1.10-1", "foo=1.9-1", SAME).cause is Cause.NEW_VERSION
    assert how_foo_stands("1:0.1-1", "foo=2.0-1", SAME).cause is Cause.NEW_VERSION
    assert how_foo_stands("1.9-1", "foo=1.10-1", SAME).cause is None


def test_the_same_version_written_differently_is_up_to_date() -> None:
    assert how_foo_stands("1.01-1", "foo=1.1-1", SAME).cause is None


def test_a_changed_recipe_of_the_same_version_gets_a_bump_so_that_its_file_differs() -> None:
    assert how_foo_stands("1.0-1", "foo=1.0-1", OLD) == Standing(
        Cause.RECIPE_CHANGED, 1, "the recipe changed since 1.0-1 was published"
    )


def test_a_bump_is_one_more_than_the_highest_that_is_published() -> None:
    assert how_foo_stands("1.0-1", "foo=1.0-1 foo-doc=1.0-1.7", OLD).bump == 8


def test_a_published_bump_of_the_recipes_version_is_up_to_date() -> None:
    assert how_foo_stands("1.0-1", "foo=1.0-1.2", SAME).cause is None


def test_a_published_version_that_came_out_of_pkgver_is_up_to_date() -> None:
    assert how_foo_stands("r100.abc-1", "foo=r150.def-1", SAME, dynamic=True).cause is None


def test_a_changed_recipe_with_a_pkgver_function_needs_no_bump() -> None:
    found = how_foo_stands("r100.abc-1", "foo=r150.def-1", OLD, dynamic=True)
    assert (found.cause, found.bump) == (Cause.RECIPE_CHANGED, 0)


def test_a_recipe_that_changed_back_to_a_lower_version_says_so() -> None:
    found = how_foo_stands("1.9-1", "foo=2.0-1", OLD)
    assert found.detail == "the recipe changed since 2.0-1 was published, and went back to 1.9-1"
    assert found.bump == 0


def test_a_package_whose_fingerprint_nobody_recorded_counts_as_unchanged() -> None:
    assert how_foo_stands("1.0-1", "foo=1.0-1", {}).cause is None


def test_a_lingering_package_of_an_older_version_does_not_make_its_base_outdated() -> None:
    assert how_foo_stands("2.0-1", "foo=2.0-1 foo-gone=1.0-1", SAME).cause is None


def test_a_package_that_moved_here_from_another_pkgbase_gets_a_file_name_of_its_own() -> None:
    known = catalog(recipe("foo"), here=published("foo=1.0-1", base="foo-old"))
    assert standing("foo", known, PACMAN) == Standing(Cause.NEW, 1, "1.0-1 was never published")


def test_what_was_taken_back_gets_a_file_name_of_its_own() -> None:
    removed = with_(catalog(recipe("foo")), former={"foo": {"0.9-1", "1.0-1", "1.0-1.1"}})
    assert standing("foo", removed, PACMAN).bump == 2
    rolled_back = with_(catalog(recipe("foo"), here=published("foo=0.9-1")), former={"foo": {"1.0-1"}})
    assert standing("foo", rolled_back, PACMAN) == Standing(
        Cause.NEW_VERSION, 1, "1.0-1 is newer than the published 0.9-1"
    )


def test_outdated_lists_only_what_can_be_built_here() -> None:
    elsewhere = msgspec.structs.replace(
        recipe("elsewhere"), arches=("aarch64",), outputs=(output("elsewhere", arches=("aarch64",)),)
    )
    everywhere = msgspec.structs.replace(recipe("everywhere"), arches=("any",))
    known = catalog(elsewhere, everywhere, recipe("done"), here=published("done=1.0-1"))
    assert outdated(known, PACMAN) == [Wanted("everywhere", Cause.NEW)]


def test_a_rebuild_of_what_is_up_to_date_gets_a_bump() -> None:
    known = catalog(recipe("foo"), here=published("foo=1.0-1.1"))
    (build,) = planned([Wanted("foo", Cause.REBUILD)], known).builds
    assert (build.cause, build.bump, build.version) == (Cause.REBUILD, 2, "1.0-1")
    assert build.detail == "to be built again; 1.0-1.1 is up to date"


def test_a_rebuild_of_what_pkgver_made_gets_a_bump_too() -> None:
    known = catalog(recipe("foo-git", "r100-1"), here=published("foo-git=r150-1"))
    (build,) = planned([Wanted("foo-git", force=True)], known).builds
    assert build.bump == 1


def how_bumped_foo_stands(version: str, here: str, built: dict[str, str], bump: int = 3) -> Standing:
    wanted = Configuration(bump_from="1.0-1", bump=bump)
    foo = msgspec.structs.replace(recipe("foo", version), configuration=wanted)
    return standing("foo", catalog(foo, here=published(*here.split(), base="foo"), built=built), PACMAN)


def test_a_bump_in_the_recipes_configuration_is_a_newer_version() -> None:
    assert how_bumped_foo_stands("1.0-1", "", {}).bump == 3
    assert how_bumped_foo_stands("1.0-1", "foo=1.0-1.2", OLD) == Standing(
        Cause.NEW_VERSION, 3, "1.0-1.3 is newer than the published 1.0-1.2"
    )
    assert how_bumped_foo_stands("1.0-1", "foo=1.0-1.3", SAME).cause is None


def test_a_bump_in_the_configuration_never_goes_below_what_is_published() -> None:
    assert how_bumped_foo_stands("1.0-1", "foo=1.0-1.5", OLD).bump == 6


def test_a_bump_in_the_configuration_lapses_with_a_new_version() -> None:
    assert how_bumped_foo_stands("1.1-1", "foo=1.0-1.3", OLD) == Standing(
        Cause.NEW_VERSION, 0, "1.1-1 is newer than the published 1.0-1.3"
    )


def test_a_build_that_is_to_bear_the_recipes_own_version_bears_its_bump_too() -> None:
    wanted = Configuration(bump_from="1.0-1", bump=3)
    foo = msgspec.structs.replace(recipe("foo"), configuration=wanted)
    known = catalog(foo, here=published("foo=1.0-1.3"))
    (build,) = planned([Wanted("foo", force=True, bump=False)], known).builds
    assert build.bump == 3
