"""Which queues are worth a look for a builder, so that a choice among thousands of builds looks at a few."""

from collections.abc import Collection
from datetime import datetime

import msgspec

from quarters.planning.assignment import closed
from quarters.planning.farm import Farm, Host, Queue
from quarters.planning.shares import handicap

SPARE = 4
"""Builds of a queue that are looked at beyond the free slots, since some may be too large together, or lost before."""
_QUEUES = 32


class Head(msgspec.Struct, frozen=True):
    """A queue with the moment at which the first of its builds that fit is due."""

    id: int
    queue: Queue
    due: datetime


class Shortlist(msgspec.Struct, frozen=True):
    """Queues by number, the most urgent first, and the sources that want something of the builder."""

    queues: tuple[int, ...]
    sources: frozenset[str]


def shortlist(heads: Collection[Head], host: Host, farm: Farm, now: datetime) -> Shortlist:
    """Of the queues that `host` may be given builds of, those that the most urgent of them are in."""
    wanted = [head for head in heads if closed(head.queue, host, farm, now) is None]
    sources = frozenset(head.queue.source for head in wanted)
    late = {source: handicap(source, farm.served, sources) for source in sources}
    wanted.sort(key=lambda head: (head.due + late[head.queue.source], head.id))
    return Shortlist(tuple(head.id for head in wanted[:_QUEUES]), sources)
