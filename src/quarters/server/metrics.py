"""What Prometheus reads: how things stand now, from rows, and what happened since this process began, from events."""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from quarters.model.build import TERMINAL, State
from quarters.model.event import Happening
from quarters.planning.quarantine import is_quarantined
from quarters.publishing.shelf import Shelf
from quarters.storage import events, figures
from quarters.storage.database import Database
from quarters.storage.figures import Figures

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_CATCH_UP = 5.0
"""Seconds between two looks at what happened, so that a scrape finds little left to count."""
_AT_ONCE = 500

_WAITS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600)
_BUILDS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600)
_PUBLISHES = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

Sizes = Mapping[tuple[str, str], int]
"""Bytes of the served index by repository and architecture."""


class Metrics:
    """Counts as long as the process lives: totals begin at 0 with it, which is what `rate()` and `increase()` expect."""

    def __init__(
        self, database: Database, shelf: Shelf, builder_alive: float, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._shelf = shelf
        self._now = now
        self._alive = timedelta(seconds=builder_alive)
        self._registry = CollectorRegistry()
        self._standing = _Standing()
        self._happened = _Happened(self._registry)
        for collector in (self._standing, _Quietly(PlatformCollector), _Quietly(ProcessCollector)):
            self._registry.register(collector)
        GCCollector(self._registry)
        self._last: int | None = None
        self._counting = asyncio.Lock()

    async def run(self) -> None:
        """Count what happens, until cancelled."""
        while True:
            await self.catch_up()
            await asyncio.sleep(_CATCH_UP)

    async def catch_up(self) -> None:
        """Count what happened since the last time; the first call only remembers from where to count."""
        async with self._counting:
            if self._last is None:
                self._last = await self._database.read(events.newest)
            while found := await self._database.read(events.after, self._last, _AT_ONCE):
                for happening in found:
                    self._happened.count(happening)
                self._last = found[-1].id

    async def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        await self.catch_up()
        now = await self._database.read(figures.read)
        sizes = await asyncio.to_thread(self._sizes, now)
        # In one go, so that no other request's figures come between.
        at = self._now()
        self._standing.families = [*_queue(now, at), *_farm(now, at, at - self._alive), *_indexes(now, sizes)]
        return generate_latest(self._registry)

    def _sizes(self, now: Figures) -> dict[tuple[str, str], int]:
        return {
            (it.repository.name, arch): size
            for it in now.served
            for arch, size in self._shelf.index_sizes(it.repository, it.number).items()
        }


class _Happened:
    """Totals and histograms, each fed by events of the kinds that `count` names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "quarters_builds_ended",
            "Builds that came to an end, by their last state and, where they failed, by reason.",
            ("arch", "state", "reason"),
            registry=registry,
        )
        self._lost = Counter(
            "quarters_leases_lost", "Leases that were lost because a builder went silent.", registry=registry
        )
        self._wait = Histogram(
            "quarters_build_wait_seconds",
            "From the request for a build to each time that it was given to a builder.",
            ("arch",),
            buckets=_WAITS,
            registry=registry,
        )
        self._took = Histogram(
            "quarters_build_seconds",
            "From each time that a build was given to a builder to the end of that attempt.",
            ("arch",),
            buckets=_BUILDS,
            registry=registry,
        )
        self._publish = Histogram(
            "quarters_publish_seconds",
            "From the end of a build's upload to its packages being installable.",
            ("repository",),
            buckets=_PUBLISHES,
            registry=registry,
        )
        self._uploaded: dict[str, datetime] = {}

    def count(self, it: Happening) -> None:
        """Take note of one event."""
        if it.kind == "lease.lost":
            self._lost.inc()
        if not it.kind.startswith("build.") or "from" not in it.data:
            return
        state, arch = it.kind.removeprefix("build."), str(it.data["arch"])
        if (waited := it.data.get("waited_ms")) is not None:
            self._wait.labels(arch).observe(int(waited) / 1000)
        if (took := it.data.get("took_ms")) is not None:
            self._took.labels(arch).observe(int(took) / 1000)
        if state in TERMINAL:
            self._ended.labels(arch, state, it.data.get("reason") or "").inc()
        if state == State.PUBLISHING:
            self._uploaded[it.subject] = it.at
        elif (uploaded := self._uploaded.pop(it.subject, None)) is not None and state == State.SUCCEEDED:
            self._publish.labels(str(it.data["repository"])).observe((it.at - uploaded).total_seconds())


class _Standing(Collector):
    """The gauges of one moment."""

    def __init__(self) -> None:
        self.families: list[GaugeMetricFamily] = []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self.families


class _Quietly(Collector):
    """A collector of the library's that would otherwise register itself for the whole process."""

    def __init__(self, kind: type[PlatformCollector] | type[ProcessCollector]) -> None:
        self._collector = kind(registry=None)

    def collect(self) -> Iterable[Metric]:
        return self._collector.collect()


def _queue(now: Figures, at: datetime) -> list[GaugeMetricFamily]:
    labels = ("arch", "class", "state")
    length = GaugeMetricFamily("quarters_queue_builds", "Builds that are not over.", labels=labels)
    age = GaugeMetricFamily(
        "quarters_queue_oldest_age_seconds", "Since the oldest of them was asked for.", labels=labels
    )
    for it in sorted(now.queued, key=lambda one: (one.arch, one.wanted, one.state)):
        length.add_metric((it.arch, it.wanted, it.state), it.count)
        age.add_metric((it.arch, it.wanted, it.state), max(0.0, (at - it.oldest).total_seconds()))
    return [length, age]


def _farm(now: Figures, at: datetime, since: datetime) -> list[GaugeMetricFamily]:
    """Builders by what a person made them, but for those that said nothing `since` then: `silent`."""
    tally = Tally(it.state.value if it.last_seen >= since else "silent" for it in now.builders)
    family = GaugeMetricFamily(
        "quarters_builders",
        "Builders by state; those that said nothing lately are silent.",
        labels=("state",),
    )
    for state in ("enabled", "draining", "disabled", "silent"):
        family.add_metric((state,), tally[state])
    quarantined = GaugeMetricFamily(
        "quarters_builders_quarantined", "Builders that are given nothing for now."
    )
    quarantined.add_metric((), sum(is_quarantined(it, at) for it in now.builders))
    return [family, quarantined]


def _indexes(now: Figures, sizes: Sizes) -> list[GaugeMetricFamily]:
    listed = GaugeMetricFamily(
        "quarters_index_packages", "Packages that a repository lists now.", labels=("repository",)
    )
    for it in now.served:
        listed.add_metric((it.repository.name,), it.packages)
    size = GaugeMetricFamily(
        "quarters_index_size_bytes", "Size of the index that clients fetch.", labels=("repository", "arch")
    )
    for (repository, arch), count in sorted(sizes.items()):
        size.add_metric((repository, arch), count)
    return [listed, size]
