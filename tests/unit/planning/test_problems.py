"""What a plan says about that which cannot be built."""

import msgspec

from quarters.model.build import Cause
from quarters.model.recipe import NeedKind
from quarters.planning.outdated import Wanted
from quarters.planning.plan import Dropped
from quarters.planning.problems import ProblemKind
from tests.unit.planning.recipes import (
    catalog,
    edges,
    messages,
    needs,
    order,
    planned,
    published,
    recipe,
    with_,
)


def test_a_missing_dependency_names_the_chain_that_needs_it() -> None:
    known = catalog(recipe("greetings", depends="greet"), recipe("greet", depends="libmissing>=2"))
    plan = planned("greetings", known)
    missing, dependent = plan.problems
    assert missing.chain == ("greetings", "greet", "libmissing>=2")
    assert (
        missing.message == "Nothing satisfies libmissing>=2: greetings -> greet -> libmissing>=2 (depends)."
    )
    assert (dependent.kind, dependent.name) == (ProblemKind.DEPENDENT, "greetings")
    assert dependent.message == "greetings needs greet, which cannot be built."
    assert plan.builds == ()


def test_the_rest_of_the_plan_goes_on() -> None:
    known = catalog(
        recipe("bad", depends="nothing"),
        recipe("worse", depends="bad good"),
        recipe("good"),
        recipe("fine", depends="good"),
    )
    assert order(planned("bad worse fine", known)) == ["good", "fine"]


def test_what_only_something_broken_needs_is_not_built() -> None:
    known = catalog(recipe("bad", depends="nothing lib"), recipe("lib"))
    assert order(planned("bad", known)) == []
    assert order(planned("bad lib", known)) == ["lib"]


def test_one_dependency_of_many_outputs_is_reported_once() -> None:
    both = msgspec.structs.replace(recipe("both"), needs=(*needs("no", output="a"), *needs("no", output="b")))
    assert len(planned("both", catalog(both)).problems) == 1


def test_an_unknown_name_is_answered_with_similar_ones() -> None:
    plan = planned("gret", catalog(recipe("greet"), recipe("unlike")))
    assert messages(plan) == ["No source has a recipe named gret. Did you mean greet?"]
    assert plan.problems[0].near == ("greet",)


def test_a_recipe_that_cannot_be_read_is_known_as_such() -> None:
    known = with_(catalog(recipe("app", depends="torn")), unreadable={"torn": "Line 3: no `=`."})
    assert messages(planned("torn", known)) == ["The recipe of torn cannot be read: Line 3: no `=`."]
    assert messages(planned("app", known)) == [
        "Nothing satisfies torn: app -> torn (depends). There is only a recipe of torn that cannot be read."
    ]


def test_a_recipe_for_other_architectures_is_a_problem_only_if_a_person_asked_for_it() -> None:
    known = catalog(msgspec.structs.replace(recipe("arm"), arches=("aarch64", "armv7h")))
    assert messages(planned("arm", known)) == [
        "arm cannot be built for x86_64: its recipe is for aarch64, armv7h."
    ]
    assert planned([Wanted("arm", Cause.NEW)], known).problems == ()


def test_a_cycle_names_its_members_in_order() -> None:
    known = catalog(
        recipe("a", depends="c"),
        recipe("b", depends="a"),
        recipe("c", makedepends="b"),
        recipe("top", depends="b"),
    )
    plan = planned("top a", known)
    assert [(problem.kind, problem.chain) for problem in plan.problems] == [
        (ProblemKind.CYCLE, ("a", "c", "b", "a")),
        (ProblemKind.DEPENDENT, ("top", "b")),
    ]
    assert plan.problems[0].message.endswith(": a -> c -> b -> a.")
    assert plan.builds == ()


def test_a_recipe_that_needs_itself_to_be_built_is_a_cycle_of_one() -> None:
    plan = planned("ghc", catalog(recipe("ghc", makedepends="ghc")))
    assert [problem.chain for problem in plan.problems] == [("ghc", "ghc")]


def test_two_cycles_that_share_a_member_are_told_apart() -> None:
    known = catalog(
        recipe("a", depends="b"),
        recipe("b", depends="a c"),
        recipe("c", depends="b d"),
        recipe("d", depends="c"),
    )
    chains = [problem.chain for problem in planned("a", known).problems if problem.kind is ProblemKind.CYCLE]
    assert chains == [("a", "b", "a"), ("c", "d", "c")]


def test_a_cycle_is_broken_where_a_published_version_stands_in_and_the_plan_says_so() -> None:
    known = catalog(
        recipe("a", "2.0-1", depends="b"),
        recipe("b", "2.0-1", depends="a>=2"),
        here=published("a=1.0-1", "b=1.0-1"),
    )
    plan = planned("a b", known)
    assert plan.problems == ()
    assert edges(plan) == {"a": [], "b": ["a"]}
    assert plan.dropped == (
        Dropped(
            pkgbase="a",
            needs="b",
            message="a and b need each other: a is built with the published b 1.0-1, and does not wait for b.",
        ),
    )


def test_a_cycle_is_broken_first_where_it_only_touches_the_tests() -> None:
    tested = msgspec.structs.replace(recipe("b", "2.0-1"), needs=needs("a", NeedKind.CHECKDEPENDS))
    known = catalog(recipe("a", "2.0-1", depends="b"), tested, here=published("a=1.0-1", "b=1.0-1"))
    assert edges(planned("a b", known)) == {"b": [], "a": ["b"]}


def test_no_more_is_dropped_than_the_cycle_takes() -> None:
    known = catalog(
        recipe("a", "2.0-1", depends="b"),
        recipe("b", "2.0-1", depends="c"),
        recipe("c", "2.0-1", depends="a"),
        here=published("a=1.0-1", "b=1.0-1", "c=1.0-1"),
    )
    assert len(planned("a b c", known).dropped) == 1


def test_an_edge_whose_needs_are_only_partly_published_stays() -> None:
    known = catalog(
        recipe("a", "2.0-1", depends="b b>=2"),
        recipe("b", "2.0-1", depends="a>=2"),
        here=published("a=1.0-1", "b=1.0-1"),
    )
    assert planned("a b", known).problems[0].chain == ("a", "b", "a")
