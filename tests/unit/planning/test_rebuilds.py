"""What links to a library that is there no more, by facts of the files; order, circles, and numbers of rebuilds."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarters.model.build import Bump, Cause
from quarters.model.library import Library
from quarters.planning.matching import How
from quarters.planning.outdated import Wanted, outdated, standing
from quarters.planning.promotion import unlinked
from quarters.planning.rebuilds import Linked, Loss, broken, links, losses, overlaid
from tests.unit.planning.recipes import PACMAN, catalog, order, planned, published, recipe, with_

OLD, NEW = Library("libfoo.so.1"), Library("libfoo.so.2")


def linked(name: str, provided: str = "", needed: str = "") -> Linked:
    return Linked(
        name=name,
        base=name,
        version="1-1",
        provided=tuple(map(Library, provided.split())),
        needed=tuple(map(Library, needed.split())),
    )


FOO = (linked("foo", "libfoo.so.1"), linked("app", needed="libfoo.so.1 libc.so.6"), linked("other"))


def test_a_library_that_changes_its_soname_is_lost_and_the_new_one_is_its_successor() -> None:
    (loss,) = losses(FOO, overlaid(FOO, [linked("foo", "libfoo.so.2")]))
    assert loss == Loss(library=OLD, package="foo", successor="libfoo.so.2")
    assert loss.told() == "links to libfoo.so.1, which foo no longer provides, but libfoo.so.2"


def test_a_library_that_another_package_provides_as_well_is_not_lost() -> None:
    assert losses(FOO, [linked("foo", "libfoo.so.2"), linked("foo1", "libfoo.so.1")]) == []


def test_a_library_of_32_bits_does_not_stand_in_for_one_of_64() -> None:
    narrow = msgspec.structs.replace(linked("lib32-foo"), provided=(Library("libfoo.so.1", 32, 3),))
    assert [it.library for it in losses(FOO, [narrow])] == [OLD]


def test_only_what_links_to_what_was_lost_is_broken() -> None:
    loss = Loss(library=OLD, package="foo", successor="libfoo.so.2")
    after = overlaid(FOO, [linked("foo", "libfoo.so.2")])
    assert broken(after, [loss]) == {"app": (loss,)}
    assert broken(FOO, [loss]) == {}
    assert broken(after, [loss], lambda library: library == OLD) == {}


def test_a_version_in_front_of_the_suffix_is_part_of_the_soname_too() -> None:
    before = [linked("llvm", "libLLVM-17.so")]
    (loss,) = losses(before, [linked("llvm", "libLLVM-18.so")])
    assert loss.successor == "libLLVM-18.so"


NAMES = st.sampled_from([f"lib{letter}.so.{number}" for letter in "abc" for number in (1, 2)])
PACKAGES = st.lists(
    st.builds(
        lambda name, provided, needed: linked(name, " ".join(provided), " ".join(needed)),
        st.sampled_from("pqrstu"),
        st.lists(NAMES, max_size=2),
        st.lists(NAMES, max_size=2),
    ),
    max_size=8,
)


@given(PACKAGES, PACKAGES)
def test_broken_is_exactly_what_links_to_something_that_was_there_and_is_not(
    before: list[Linked], joining: list[Linked]
) -> None:
    first, after = overlaid(before), overlaid(before, joining)
    was = {library for it in first for library in it.provided}
    now = {library for it in after for library in it.provided}
    expected = {it.base for it in after if (set(it.needed) & was) - now}
    found = broken(after, losses(first, after))
    assert set(found) == expected
    assert all(loss.library in was - now for lost in found.values() for loss in lost)


@given(PACKAGES, PACKAGES)
def test_a_rebuild_of_all_that_is_broken_leaves_nothing_broken(
    before: list[Linked], joining: list[Linked]
) -> None:
    first, after = overlaid(before), overlaid(before, joining)
    lost = losses(first, after)
    bases = broken(after, lost)
    gone = {loss.library for loss in lost}
    rebuilt = [
        msgspec.structs.replace(it, needed=tuple(lib for lib in it.needed if lib not in gone))
        for it in after
        if it.base in bases
    ]
    assert broken(overlaid(after, rebuilt), lost) == {}


@given(PACKAGES)
def test_what_is_linked_to_is_always_another_member(packages: list[Linked]) -> None:
    bases = {it.base for it in packages}
    for base, providers in links(overlaid(packages), bases).items():
        assert base not in providers
        assert providers.keys() <= bases


def chain() -> Iterable[Linked]:
    return (
        linked("foo", "libfoo.so.2"),
        linked("bar", "libbar.so.1", "libfoo.so.1"),
        linked("app", needed="libbar.so.1 libfoo.so.1"),
    )


def test_rebuilds_come_in_the_order_in_which_files_link_though_no_recipe_says_so() -> None:
    here = catalog(
        recipe("app"), recipe("bar"), recipe("foo"), here=published("app=1.0-1", "bar=1.0-1", "foo=1.0-1")
    )
    plan = planned(
        [Wanted("app", Cause.REBUILD), Wanted("bar", Cause.REBUILD)], with_(here, linked=tuple(chain()))
    )
    assert order(plan) == ["bar", "app"]
    assert plan.builds[1].needs[0].how is How.LINK


def test_packages_that_link_to_each_other_are_built_one_after_the_other_and_the_plan_says_so() -> None:
    here = catalog(recipe("app"), recipe("bar"), here=published("app=1.0-1", "bar=1.0-1"))
    circle = (linked("app", "libapp.so.1", "libbar.so.1"), linked("bar", "libbar.so.1", "libapp.so.1"))
    plan = planned([Wanted("app", Cause.REBUILD), Wanted("bar", Cause.REBUILD)], with_(here, linked=circle))
    assert sorted(order(plan)) == ["app", "bar"]
    assert plan.problems == ()
    assert "need each other" in plan.dropped[0].message


def test_a_recipe_is_outdated_when_a_library_that_it_links_to_changed_its_soname() -> None:
    loss = Loss(library=OLD, package="foo", successor="libfoo.so.2")
    here = with_(catalog(recipe("app"), here=published("app=1.0-1", base="app")), broken={"app": (loss,)})
    assert [(it.name, it.cause) for it in outdated(here, PACMAN)] == [("app", Cause.REBUILD)]
    plan = planned(outdated(here, PACMAN), here)
    assert plan.builds[0].bump == 1
    assert (plan.builds[0].grounds.library, plan.builds[0].grounds.successor) == (
        "libfoo.so.1",
        "libfoo.so.2",
    )
    assert (
        plan.builds[0].detail == "1.0-1 links to libfoo.so.1, which foo no longer provides, but libfoo.so.2"
    )


@pytest.mark.parametrize(
    ("bumping", "here", "version"),
    [
        (Bump.MINOR, "1.0-1", "1.0-1.1"),
        (Bump.MINOR, "1.0-1.3", "1.0-1.4"),
        (Bump.MINOR, "1.0-2", "1.0-1"),
        (Bump.WHOLE, "1.0-1", "1.0-2"),
        (Bump.WHOLE, "1.0-1.3", "1.0-2"),
        (Bump.WHOLE, "1.0-4", "1.0-5"),
        (Bump.NONE, "1.0-1", "1.0-1"),
    ],
)
def test_a_forced_build_raises_the_release_as_policy_says(bumping: Bump, here: str, version: str) -> None:
    there = with_(catalog(recipe("foo"), here=published(f"foo={here}", base="foo")), bumping=bumping)
    (build,) = planned([Wanted("foo", force=True)], there).builds
    made = PACMAN.bumped(build.version, build.bump, build.bumping)
    if version == "1.0-1" and bumping is Bump.MINOR:
        # The recipe went back below what is published: no minor number makes it more than that.
        assert PACMAN.compare(made, here) < 0
    else:
        assert made == version


def test_a_recipe_without_bump_is_built_as_it_is() -> None:
    there = catalog(recipe("foo"), here=published("foo=1.0-1", base="foo"))
    (build,) = planned([Wanted("foo", Cause.REBUILD, bump=False)], there).builds
    assert build.bump == 0


def test_each_rebuild_of_a_version_that_came_out_of_pkgver_bears_a_higher_number() -> None:
    foo = msgspec.structs.replace(recipe("foo", "r1-1"), dynamic_version=True)
    there = catalog(foo, here=published("foo=r9-1.1", base="foo"))
    (build,) = planned([Wanted("foo", Cause.REBUILD)], there).builds
    assert build.bump == 2


def test_where_policy_never_raises_releases_a_changed_recipe_waits_for_its_next_version() -> None:
    there = catalog(recipe("foo"), here=published("foo=1.0-1", base="foo"), built={"foo": "old"})
    assert standing("foo", with_(there, bumping=Bump.NONE), PACMAN).cause is None
    assert standing("foo", there, PACMAN).cause is Cause.RECIPE_CHANGED


def test_a_promotion_leaves_nothing_with_a_library_that_its_target_loses() -> None:
    staying = [linked("foo", "libfoo.so.1"), linked("app", needed="libfoo.so.1")]
    (found,) = unlinked([linked("foo", "libfoo.so.2")], staying, set(), lambda _: False)
    assert (found.package, found.library, found.replaced) == ("app", OLD, "foo")
    assert unlinked([linked("foo", "libfoo.so.2")], staying, set(), lambda library: library == OLD) == []


def test_what_is_promoted_without_the_library_that_its_own_repository_has_lacks_it() -> None:
    joining = [linked("app", needed="libfoo.so.2 libc.so.6")]
    (found,) = unlinked(joining, [], {NEW}, lambda _: False)
    assert (found.package, found.library, found.replaced) == ("app", NEW, "")
