"""A farm of simulated builders and durations, and the rules by which they are given work: Quarters' own, and others'."""

import heapq
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter
from time import process_time
from typing import NamedTuple, Protocol

from quarters.model.build import Build, Cause, State
from quarters.model.builder import Builder, BuilderState
from quarters.planning.assignment import Ready, choose
from quarters.planning.farm import Farm, Host, Queue
from quarters.planning.order import due, remaining_path
from quarters.planning.shares import Service
from quarters.planning.shortlist import SPARE, Head, shortlist

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_ARCH = "x86_64"


class Job(NamedTuple):
    """Something to build: `needs` are numbers of other jobs, times seconds; it was `known` to take that long."""

    needs: tuple[int, ...]
    duration: float
    known: int
    source: str = "tree"
    arrival: float = 0.0


class Outcome(NamedTuple):
    """What became of some work: seconds, by job the seconds between being ready and begun, and processor seconds."""

    makespan: float
    waits: list[float]
    cpu: float


class Policy(Protocol):
    """Which ready job a free builder gets."""

    def add(self, job: int, now: float) -> None:
        """A job is ready."""
        ...

    def take(self, now: float) -> int | None:
        """A builder is free."""
        ...

    def done(self, job: int) -> None:
        """A job has ended."""
        ...


class InOrder:
    """By a rank that a job has from the beginning, such as when it was asked for; without one, as they become ready."""

    def __init__(self, ranks: Sequence[int] | None = None) -> None:
        self._ranks = ranks
        self._ready: list[tuple[int, int]] = []
        self._count = 0

    def add(self, job: int, now: float) -> None:
        """A job is ready."""
        self._count += 1
        heapq.heappush(self._ready, (self._ranks[job] if self._ranks else self._count, job))

    def take(self, now: float) -> int | None:
        """The first."""
        return heapq.heappop(self._ready)[1] if self._ready else None

    def done(self, job: int) -> None:
        """It matters to nothing."""


class ByRules:
    """Quarters' own rules, over values instead of rows: the same queues, the same look at the first of each."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        durations = {number: job.known for number, job in enumerate(jobs)}
        self._paths = remaining_path({number: job.needs for number, job in enumerate(jobs)}, durations)
        self._queues: dict[Queue, list[tuple[datetime, int]]] = {}
        self._running: dict[str, int] = {}
        self._served: dict[str, Service] = {}
        self._builder = Builder(
            name="anvil", arches=(_ARCH,), slots=1, state=BuilderState.ENABLED, last_seen=_EPOCH
        )

    def add(self, job: int, now: float) -> None:
        """Into its queue, by when it is due."""
        one = self._jobs[job]
        queue = Queue(_ARCH, "own", one.source)
        moment = due(_moment(one.arrival), 0, self._paths[job])
        heapq.heappush(self._queues.setdefault(queue, []), (moment, job))

    def take(self, now: float) -> int | None:
        """As a claim does."""
        moment = _moment(now)
        queues = [(queue, entries) for queue, entries in self._queues.items() if entries]
        heads = [Head(number, queue, entries[0][0]) for number, (queue, entries) in enumerate(queues)]
        sources = {queue.source for queue, _ in queues}
        shared = len(sources) > 1
        farm = Farm(
            running=sum(self._running.values()),
            running_of_source=self._running,
            served={it: one.remembered(moment) for it, one in self._served.items()} if shared else {},
        )
        host = Host(builder=self._builder, free=1)
        listed = shortlist(heads, host, farm, moment)
        ready = [
            self._ready(job) for it in listed.queues for _, job in heapq.nsmallest(1 + SPARE, queues[it][1])
        ]
        chosen = choose(host, ready, farm, moment, competing=listed.sources)
        if not chosen:
            return None
        (build,) = chosen
        entries = self._queues[Queue.of(build)]
        _, job = heapq.heappop(entries)
        assert job == build.id, "without limits of memory the first of a queue is the one to take"
        self._running[build.source] = self._running.get(build.source, 0) + 1
        if shared:
            had = self._served.get(build.source, Service(0.0, moment))
            self._served[build.source] = had.more(build.duration, moment)
        return job

    def done(self, job: int) -> None:
        """Its source runs one less."""
        self._running[self._jobs[job].source] -= 1

    def _ready(self, job: int) -> Ready:
        one = self._jobs[job]
        build = Build(
            id=job,
            repository="own",
            arch=_ARCH,
            pkgbase=f"p{job}",
            source=one.source,
            version="1-1",
            fingerprint="",
            state=State.READY,
            cause=Cause.NEW,
            requester="",
            packager="",
            created_at=_moment(one.arrival),
            request_id=1,
            duration=one.known,
        )
        return Ready(build=build, path=self._paths[job])


def bound(jobs: Sequence[Job], slots: int) -> float:
    """No order can be quicker: the longest chain one after the other, or all work on all builders without a pause."""
    starts = _earliest(jobs)
    chain = max(start + job.duration for start, job in zip(starts, jobs, strict=True))
    return max(chain, sum(job.duration for job in jobs) / slots)


def narrow_bound(jobs: Sequence[Job], slots: int) -> float:
    """A higher one: in the beginning only what needs nothing can be built, however many builders there are.

    Until a moment no more can have been done than if each job had begun as early as its chain of needs allows.
    """
    starts = _earliest(jobs)
    total = sum(job.duration for job in jobs)
    # (second, change of how many jobs would be running)
    changes = sorted(
        change
        for start, job in zip(starts, jobs, strict=True)
        for change in ((start, 1), (start + job.duration, -1))
    )
    best, done, running, before = bound(jobs, slots), 0.0, 0, 0.0
    for moment, change in changes:
        done += running * (moment - before)
        best = max(best, moment + (total - min(done, slots * moment)) / slots)
        running, before = running + change, moment
    return best


def _earliest(jobs: Sequence[Job]) -> list[float]:
    """When each could begin if there were builders for all."""
    starts = [0.0] * len(jobs)
    for number in TopologicalSorter({number: job.needs for number, job in enumerate(jobs)}).static_order():
        needs = jobs[number].needs
        starts[number] = max((starts[it] + jobs[it].duration for it in needs), default=0.0)
    return starts


def simulate(jobs: Sequence[Job], slots: int, policy: Policy) -> Outcome:
    """Let `slots` builders, which never fail, build all `jobs`."""
    missing = [len(job.needs) for job in jobs]
    dependents: list[list[int]] = [[] for _ in jobs]
    for number, it in enumerate(jobs):
        for needed in it.needs:
            dependents[needed].append(number)
    # (second, 0 for an arrival or 1 for an end, job): what arrives at the same moment is there before a builder asks.
    events = [(it.arrival, 0, number) for number, it in enumerate(jobs)]
    missing = [count + 1 for count in missing]
    heapq.heapify(events)
    ready_at, waits = [0.0] * len(jobs), [0.0] * len(jobs)
    free, now, cpu = slots, 0.0, 0.0
    while events:
        now = events[0][0]
        while events and events[0][0] == now:
            _, ended, job = heapq.heappop(events)
            if ended:
                free += 1
                policy.done(job)
            for number in dependents[job] if ended else (job,):
                missing[number] -= 1
                if not missing[number]:
                    ready_at[number] = now
                    policy.add(number, now)
        began = process_time()
        given = []
        while free and (chosen := policy.take(now)) is not None:
            free -= 1
            given.append(chosen)
        cpu += process_time() - began
        for job in given:
            waits[job] = now - ready_at[job]
            heapq.heappush(events, (now + jobs[job].duration, 1, job))
    assert all(count == 0 for count in missing)
    return Outcome(now, waits, cpu)


def durations(count: int, seed: int) -> list[tuple[float, int]]:
    """For each job how long it takes, and how long it took before, which is what the scheduler knows.

    Log-normal: a minute for half of them, over ten for one in sixteen, hours for a few, as build farms see it.
    """
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        seconds = min(chance.lognormvariate(4.1, 1.5), 6 * 3600.0)
        found.append((seconds, max(1, round(seconds * chance.lognormvariate(0, 0.1)))))
    return found


def _moment(second: float) -> datetime:
    return _EPOCH + timedelta(seconds=second)
