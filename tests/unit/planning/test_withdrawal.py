"""What leaves a repository with its recipe, and what never does."""

from hypothesis import given
from hypothesis import strategies as st

from quarters.planning.withdrawal import Built, leaving

NAMES = st.sampled_from("abcd")
PACKAGES = st.lists(
    st.builds(
        Built,
        arch=st.sampled_from(("x86_64", "aarch64")),
        name=NAMES,
        base=NAMES,
        version=st.sampled_from("123"),
    ),
    unique_by=lambda it: (it.arch, it.name),
)


def package(name: str, base: str = "foo", version: str = "1") -> Built:
    return Built(arch="x86_64", name=name, base=base, version=version)


def going(listed: list[Built], made: set[str], bases: set[str]) -> set[str]:
    return {name for _, name in leaving(listed, made, bases, str.__gt__)}


def test_all_packages_of_a_withdrawn_recipe_leave() -> None:
    assert going([package("foo"), package("foo-docs"), package("bar", "bar")], {"bar"}, {"bar"}) == {
        "foo",
        "foo-docs",
    }


def test_what_another_recipe_makes_stays() -> None:
    assert going([package("foo"), package("foo-docs")], {"foo-docs"}, {"docs"}) == {"foo"}


def test_a_dropped_split_package_stays_until_the_version_without_it_is_published() -> None:
    old = [package("foo"), package("foo-docs")]
    assert going(old, {"foo"}, {"foo"}) == set()
    assert going([package("foo", version="2"), package("foo-docs")], {"foo"}, {"foo"}) == {"foo-docs"}


def test_packages_of_a_recipe_that_cannot_be_read_stay() -> None:
    assert going([package("foo"), package("foo-docs")], set(), {"foo"}) == set()


@given(PACKAGES, st.sets(NAMES), st.sets(NAMES))
def test_nothing_that_a_recipe_makes_ever_leaves(
    listed: list[Built], made: set[str], bases: set[str]
) -> None:
    gone = leaving(listed, made, bases, str.__gt__)
    assert not {name for _, name in gone} & made
    assert all((it.arch, it.name) in gone for it in listed if it.name not in made and it.base not in bases)
