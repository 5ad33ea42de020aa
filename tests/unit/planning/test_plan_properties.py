"""What holds for every plan."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from quarters.model.recipe import Recipe
from quarters.model.repository import Published
from quarters.planning.outdated import Wanted
from quarters.planning.plan import plan
from quarters.planning.problems import ProblemKind
from tests.unit.planning.recipes import PACMAN, catalog, published, recipe

NAMES = ("a", "b", "c", "d", "e", "f", "gone")
words = st.lists(
    st.builds(
        "{}{}".format, st.sampled_from((*NAMES, "virtual")), st.sampled_from(("", "", ">=2", "<2", "=1.0"))
    ),
    unique=True,
    max_size=3,
).map(" ".join)
versions = st.sampled_from(("1.0-1", "2.0-1"))


@st.composite
def recipe_sets(draw: st.DrawFn) -> list[Recipe]:
    return [
        recipe(
            name,
            draw(versions),
            depends=draw(words),
            makedepends=draw(words),
            provides=draw(st.sampled_from(("", "virtual", "virtual=1.0", "gone"))),
        )
        for name in draw(st.lists(st.sampled_from(NAMES[:-1]), unique=True, min_size=1))
    ]


here = st.dictionaries(st.sampled_from(NAMES), versions, max_size=3).map(
    lambda found: published(*(f"{name}={version}" for name, version in found.items()))
)
wishes = st.lists(st.sampled_from(NAMES), unique=True, min_size=1)


@settings(max_examples=300)
@given(recipe_sets(), here, wishes, st.randoms(use_true_random=False))
def test_every_plan_is_ordered_complete_and_independent_of_the_order_of_its_input(
    recipes: list[Recipe], here: tuple[Published, ...], names: list[str], chance: Random
) -> None:
    found = plan([Wanted(name) for name in names], catalog(*recipes, here=here), PACMAN)

    done: set[str] = set()
    for build in found.builds:
        assert {edge.pkgbase for edge in build.needs} <= done
        done.add(build.pkgbase)
    assert len(done) == len(found.builds)

    known = {entry.pkgbase for entry in recipes}
    spoken_of = done | {entry.pkgbase for entry in found.current}
    spoken_of |= {name for problem in found.problems for name in (problem.name, *problem.chain)}
    assert set(names) <= spoken_of
    assert not done & {
        name
        for problem in found.problems
        if problem.kind is not ProblemKind.UNRESOLVABLE
        for name in (problem.name, *(problem.chain if problem.kind is ProblemKind.CYCLE else ()))
    }
    assert done <= known

    chance.shuffle(recipes)
    chance.shuffle(names)
    again = catalog(*recipes, here=tuple(reversed(here)))
    assert plan([Wanted(name) for name in names], again, PACMAN) == found
