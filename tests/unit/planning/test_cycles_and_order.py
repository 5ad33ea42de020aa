"""Graphs: circles and stages, at the size of a distribution."""

import random
import sys
import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from quarters.planning.cycles import Arc, components, unwind
from quarters.planning.order import stages

NODES = "abcdefgh"
graphs = st.fixed_dictionaries(
    {node: st.lists(st.sampled_from(NODES), unique=True, max_size=4) for node in NODES}
)


def reachable(graph: dict[str, list[str]], start: str) -> set[str]:
    found: set[str] = set()
    todo = list(graph[start])
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += graph[node]
    return found


@given(graphs)
def test_two_are_in_one_component_exactly_if_each_reaches_the_other(graph: dict[str, list[str]]) -> None:
    groups = list(components(graph))
    assert sorted(node for group in groups for node in group) == sorted(graph)
    together = {(a, b) for group in groups for a in group for b in group}
    assert together == {
        (a, b)
        for a in graph
        for b in graph
        if a == b or (b in reachable(graph, a) and a in reachable(graph, b))
    }


@given(graphs)
def test_without_the_dropped_arcs_no_circle_is_left(graph: dict[str, list[str]]) -> None:
    unwound = unwind(graph, lambda arc: 0)
    assert unwound.circles == ()
    left = {
        tail: [head for head in heads if Arc(tail, head) not in unwound.dropped]
        for tail, heads in graph.items()
    }
    assert sorted(node for stage in stages(left) for node in stage) == sorted(graph)


@given(graphs)
def test_every_circle_that_stays_goes_round_along_real_arcs(graph: dict[str, list[str]]) -> None:
    unwound = unwind(graph, lambda arc: None)
    assert bool(unwound.circles) is any(node in reachable(graph, node) for node in graph)
    for circle in unwound.circles:
        assert circle[0] == circle[-1] == min(circle)
        assert all(head in graph[tail] for tail, head in pairwise(circle))


def test_a_chain_longer_than_pythons_stack_is_no_trouble() -> None:
    length = sys.getrecursionlimit() * 5
    ring: dict[int, list[int]] = {number: [number + 1] for number in range(length)} | {length: [0]}
    (circle,) = unwind(
        {str(node): [str(head) for head in heads] for node, heads in ring.items()}, lambda arc: None
    ).circles
    assert len(circle) == length + 2


def test_fifteen_thousand_recipes_are_ordered_in_well_under_a_second() -> None:
    chance = random.Random(1)
    graph = {
        f"p{number}": [f"p{chance.randrange(number)}" for _ in range(6)] if number else []
        for number in range(15_000)
    }
    began = time.process_time()
    assert unwind(graph, lambda arc: None).circles == ()
    stages(graph)
    assert time.process_time() - began < 1.0


def test_a_stage_is_sorted_and_needs_only_earlier_stages() -> None:
    assert stages({"d": ["b", "c"], "c": ["a"], "b": ["a"], "a": []}) == [["a"], ["b", "c"], ["d"]]
