"""How near to the best possible the real rules bring whole trees of recipes, and what a decision costs."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from time import process_time

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from benchmarks.corpus import FOLDER, read_srcinfos
from benchmarks.plan import outside, parse, plan_all
from benchmarks.simulation import ByRules, InOrder, Job, Outcome, bound, durations, narrow_bound, simulate
from benchmarks.table import Row
from quarters.formats.pacman import Pacman
from quarters.model.build import Cause, State
from quarters.model.builder import Builder, BuilderState
from quarters.model.recipe import Output, Recipe
from quarters.model.repository import Repository
from quarters.scheduler.claims import claim
from quarters.scheduler.selection import Rules, select
from quarters.storage import needs, repositories, requests
from quarters.storage.schema import metadata

_SLOTS = (1, 2, 5, 10, 20, 50, 100, 200)
_CLAIMS = 300
_QUEUED = 15_000
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_ALIVE = timedelta(seconds=90)


def rows() -> list[Row]:
    """Simulations of real recipes, where they lie beside the checkout, and of a whole distribution; then claims."""
    trees = {"distribution": distribution(15_000, 80_000)}
    if FOLDER.is_dir():
        trees = {"corpus": corpus(), **trees}
    found = [row for name, jobs in trees.items() for row in _of_tree(name, jobs)]
    return [*found, _fair_share(trees["distribution"]), *_of_claims()]


def corpus() -> list[Job]:
    """The real recipes, asked for all at once in the order of their names."""
    format = Pacman()
    recipes = parse(read_srcinfos(), format)
    planned = sorted(plan_all(recipes, outside(recipes), format).builds, key=lambda build: build.pkgbase)
    numbers = {build.pkgbase: number for number, build in enumerate(planned)}
    times = durations(len(planned), seed=1)
    return [
        Job(tuple(sorted({numbers[edge.pkgbase] for edge in build.needs})), *time)
        for build, time in zip(planned, times, strict=True)
    ]


def distribution(size: int, edges: int) -> list[Job]:
    """Made-up recipes; as in real distributions most of them need a few that nearly all need."""
    chance = random.Random(1)
    needed: list[set[int]] = [set() for _ in range(size)]
    left = edges
    while left:
        job = chance.randrange(1, size)
        other = int(job * chance.random() ** 3)
        if other not in needed[job]:
            needed[job].add(other)
            left -= 1
    # They come in any order, as names are in no order of needs.
    places = list(range(size))
    chance.shuffle(places)
    jobs: dict[int, Job] = {}
    for number, time in enumerate(durations(size, seed=1)):
        jobs[places[number]] = Job(tuple(sorted(places[it] for it in needed[number])), *time)
    return [jobs[place] for place in range(size)]


def _of_tree(name: str, jobs: Sequence[Job]) -> list[Row]:
    found = []
    waits: dict[int, Mapping[str, Outcome]] = {}
    for slots in _SLOTS:
        runs = {
            "Quarters": simulate(jobs, slots, ByRules(jobs)),
            "first come": simulate(jobs, slots, InOrder()),
            "Chaotic's order": simulate(jobs, slots, InOrder(range(len(jobs)))),
        }
        waits[slots] = runs
        best = bound(jobs, slots)
        ratio = {policy: run.makespan / best for policy, run in runs.items()}
        own = ratio.pop("Quarters")
        found.append(
            Row(
                f"{name}, {slots} builders: time over the bound",
                own,
                f"(possible: {max(1.0, narrow_bound(jobs, slots) / best):.3f})",
                rival=", ".join(f"{policy} {value:.3f}" for policy, value in ratio.items()),
                ratio=own / min(ratio.values()),
                goal="<= 1.05",
                met=own <= 1.05,
            )
        )
    return [*found, *_longest_waits(name, waits), _cpu(name, jobs, waits)]


def _longest_waits(name: str, waits: Mapping[int, Mapping[str, Outcome]]) -> list[Row]:
    return [
        Row(
            f"{name}, {slots} builders: longest wait of a ready build",
            max(runs["Quarters"].waits) / 3600,
            "h",
            rival=", ".join(
                f"{it} {max(run.waits) / 3600:.1f}" for it, run in runs.items() if it != "Quarters"
            ),
            goal=f"< {runs['Quarters'].makespan / 3600:.1f} h, which all took",
            met=max(runs["Quarters"].waits) < runs["Quarters"].makespan,
        )
        for slots, runs in waits.items()
        if slots in (1, 20, 200)
    ]


def _cpu(name: str, jobs: Sequence[Job], waits: Mapping[int, Mapping[str, Outcome]]) -> Row:
    cost = max(runs["Quarters"].cpu for runs in waits.values()) / len(jobs) * 1000
    return Row(f"{name}: processor time of the rules per build", cost, "ms", goal="< 2 ms", met=cost < 2)


def _fair_share(jobs: Sequence[Job]) -> Row:
    """A few small builds that another source wants in the middle of a distribution's rebuild."""
    late = [Job((), 60.0, 60, source="small", arrival=3600.0) for _ in range(20)]
    together = [*jobs, *late]
    runs = {
        "Quarters": simulate(together, 20, ByRules(together)),
        "Chaotic's order": simulate(together, 20, InOrder(range(len(together)))),
    }
    own, other = (max(run.waits[len(jobs) :]) / 60 for run in runs.values())
    return Row(
        "20 small builds of another source amid the distribution, 20 builders: longest wait",
        own,
        "min",
        rival=f"Chaotic's order {other:,.0f}",
        ratio=own / other,
        goal="< 30 min",
        met=own < 30,
    )


def _of_claims() -> list[Row]:
    """Claims as the server makes them, from rows."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    with engine.begin() as connection:
        _queue(connection)
    decisions, claims = [], []
    for number in range(_CLAIMS):
        builder = Builder(
            name=f"b{number % 200}",
            arches=("x86_64",),
            slots=1,
            state=BuilderState.ENABLED,
            last_seen=_NOW,
            memory=16 << 30,
            disk=64 << 30,
        )
        with engine.begin() as connection:
            began = process_time()
            chosen = select(connection, builder, 1, _NOW - _ALIVE, Rules(), _NOW)
            decisions.append((process_time() - began) * 1000)
            assert len(chosen.builds) == 1
            began = process_time()
            given = claim(connection, builder, 1, timedelta(seconds=15), _ALIVE, Rules())
            claims.append((process_time() - began) * 1000)
            assert [it.build.id for it in given] == [it.id for it in chosen.builds]
    engine.dispose()
    typical, worst = median(decisions), quantiles(claims, n=100)[-1]
    return [
        Row(
            f"decision from rows, {_QUEUED:,} queued (SQLite): processor time",
            typical,
            "ms",
            goal="< 2 ms",
            met=typical < 2,
        ),
        Row("claim with it, lease and books: median", median(claims), "ms"),
        Row("the same: 99th percentile", worst, "ms", goal="< 50 ms", met=worst < 50),
    ]


def _queue(connection: Connection) -> None:
    """Builds that are all ready, for two repositories, from three sources, of three classes."""
    chance = random.Random(1)
    names = ("extra", "testing")
    for name in names:
        repositories.add(connection, Repository(name=name), _NOW)
    request = requests.add(connection, "extra", "x86_64", "ann", (), _NOW)
    recipe = Recipe(
        pkgbase="p",
        version="1-1",
        arches=("x86_64",),
        outputs=(Output("p", ("x86_64",)),),
        description="x" * 500,
    )
    rows = [
        {
            "request_id": request, "repository": chance.choice(names), "arch": "x86_64", "pkgbase": f"p{number}",
            "source": chance.choice(("tree", "aur", "own")), "path": "", "revision": "", "version": "1-1",
            "fingerprint": "", "recipe": recipe, "cause": Cause.NEW, "requester": "ann", "packager": "ann",
            "created_at": _NOW - timedelta(seconds=chance.randrange(10_000)), "state": State.WAITING,
        }
        for number in range(_QUEUED)
    ]  # fmt: skip
    numbers = requests.insert_builds(connection, rows)
    needs.settle(connection, numbers, _NOW)
    needs.set_chains(connection, {number: chance.randrange(100_000) for number in numbers})
