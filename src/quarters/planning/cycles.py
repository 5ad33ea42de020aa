"""Finds recipes that need each other, and breaks the circles that already published packages allow to break."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

Graph = Mapping[str, Collection[str]]
"""By pkgbase, the pkgbases that it needs; every one of them is a key."""


class Arc(NamedTuple):
    """One step of a graph: `tail` needs `head`."""

    tail: str
    head: str


class Unwound(NamedTuple):
    """How a graph becomes acyclic: arcs left out, and circles that stay, each as its members in order (`a`, `b`, `a`)."""

    dropped: tuple[Arc, ...]
    circles: tuple[tuple[str, ...], ...]


def unwind(graph: Graph, cost: Callable[[Arc], int | None]) -> Unwound:
    """Drop arcs until no circle is left that dropping can open: the cheapest first; an arc whose cost is None stays."""
    dropped: list[Arc] = []
    circles: list[tuple[str, ...]] = []
    todo = [_within(graph, group) for group in knots(graph)]
    while todo:
        knot = todo.pop()
        arcs = ((price, Arc(tail, head)) for tail, heads in knot.items() for head in heads
                if (price := cost(Arc(tail, head))) is not None)  # fmt: skip
        cheapest = min(arcs, default=None)
        if cheapest is not None:
            arc = cheapest[1]
            dropped.append(arc)
            knot[arc.tail] = [head for head in knot[arc.tail] if head != arc.head]
        else:
            circle = shortest_circle(knot)
            circles.append(circle)
            knot = _within(knot, set(knot).difference(circle))
        todo.extend(_within(knot, group) for group in knots(knot))
    return Unwound(tuple(sorted(dropped)), tuple(sorted(circles)))


def knots(graph: Graph) -> list[list[str]]:
    """The strongly connected groups that hold a circle, one that needs itself included."""
    return [group for group in components(graph) if len(group) > 1 or group[0] in graph[group[0]]]


def components(graph: Graph) -> Iterator[list[str]]:
    """Tarjan's strongly connected components, without recursion: a chain of dependencies may be thousands long."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in graph:
        if root in index:
            continue
        path: list[tuple[str, Iterator[str]]] = []
        entered: str | None = root
        while True:
            if entered is not None:
                index[entered] = low[entered] = len(index)
                stack.append(entered)
                on_stack.add(entered)
                path.append((entered, iter(graph[entered])))
            node, heads = path[-1]
            entered = _next_unseen(node, heads, index, low, on_stack)
            if entered is not None:
                continue
            path.pop()
            if path:
                above = path[-1][0]
                low[above] = min(low[above], low[node])
            if low[node] == index[node]:
                yield _unstack(node, stack, on_stack)
            if not path:
                break


def _next_unseen(
    node: str, heads: Iterator[str], index: Mapping[str, int], low: dict[str, int], on_stack: Collection[str]
) -> str | None:
    for head in heads:
        if head not in index:
            return head
        if head in on_stack:
            low[node] = min(low[node], index[head])
    return None


def _unstack(node: str, stack: list[str], on_stack: set[str]) -> list[str]:
    at = len(stack) - 1
    while stack[at] != node:
        at -= 1
    group = stack[at:]
    del stack[at:]
    on_stack.difference_update(group)
    return group


def shortest_circle(knot: Graph) -> tuple[str, ...]:
    """A shortest way from the alphabetically first member of a strongly connected group back to it: `a`, `b`, `a`."""
    start = min(knot)
    came_from: dict[str, str] = {}
    frontier = [start]
    while frontier:
        following: list[str] = []
        for node in frontier:
            for head in sorted(knot[node]):
                if head == start:
                    return (*_way(start, node, came_from), start)
                if head not in came_from:
                    came_from[head] = node
                    following.append(head)
        frontier = following
    raise ValueError(f"{start} is in no circle")


def _way(start: str, node: str, came_from: Mapping[str, str]) -> tuple[str, ...]:
    way = [node]
    while node != start:
        node = came_from[node]
        way.append(node)
    return tuple(reversed(way))


def _within(graph: Graph, members: Iterable[str]) -> dict[str, list[str]]:
    kept = set(members)
    return {node: [head for head in graph[node] if head in kept] for node in sorted(kept)}
