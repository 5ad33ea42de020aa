"""Puts an acyclic graph of needs into stages, and measures how much hangs on each part of it."""

from collections.abc import Hashable, Iterable, Mapping
from graphlib import TopologicalSorter
from typing import TypeVar

N = TypeVar("N", bound=Hashable)
S = TypeVar("S", bound=str | int)


def stages(needs: Mapping[S, Iterable[S]]) -> list[list[S]]:
    """Everything by stages: what needs nothing, what needs only that, and so on; sorted within each."""
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    found = []
    while sorter.is_active():
        stage = sorted(sorter.get_ready())
        found.append(stage)
        sorter.done(*stage)
    return found


def remaining_path(needs: Mapping[N, Iterable[N]]) -> dict[N, int]:
    """For each, how many builds the longest chain that waits for it holds: 0 where nothing does."""
    order = tuple(TopologicalSorter(needs).static_order())
    longest = dict.fromkeys(order, 0)
    for node in reversed(order):
        for needed in needs.get(node, ()):
            longest[needed] = max(longest[needed], longest[node] + 1)
    return longest
