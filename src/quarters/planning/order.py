"""Puts an acyclic graph of needs into stages, measures what hangs on each part of it, and says what is due first."""

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime, timedelta
from graphlib import TopologicalSorter
from typing import TypeVar

N = TypeVar("N", bound=Hashable)
S = TypeVar("S", bound=str | int)

STEP = timedelta(days=30)
"""How much longer than others a build has to have waited to make up for one step of priority."""
PRIORITIES = range(-100, 101)
"""Priorities that there are."""
ASSUMED_DURATION = 300
"""Seconds that a build is taken to last while nothing is known about it."""


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


def remaining_path(needs: Mapping[N, Iterable[N]], durations: Mapping[N, int]) -> dict[N, int]:
    """For each, the seconds of the longest chain that begins with it and goes on with what waits for it.

    A duration that is missing or 0 is not known.
    """
    order = tuple(TopologicalSorter(needs).static_order())
    longest = dict.fromkeys(order, 0)
    for node in reversed(order):
        longest[node] += durations.get(node) or ASSUMED_DURATION
        for needed in needs.get(node, ()):
            longest[needed] = max(longest[needed], longest[node])
    return longest


def due(created_at: datetime, priority: int, path: int) -> datetime:
    """When a build should begin: who is due first goes first.

    All builds are to be there the same time after they were asked for, so each has to begin as much earlier as its
    remaining path takes, and a step of priority counts as STEP of waiting. As all builds age alike, their order never
    changes; and what is asked for late enough comes after all that waits, however urgent it is, so nothing starves.
    """
    return created_at - priority * STEP - timedelta(seconds=path)
