"""Builds per second from claim to finish over HTTP, beside BullMQ on Redis with the same durable steps for each job."""

import asyncio
import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import msgspec
import psycopg

from benchmarks.builders import Measured
from benchmarks.running import Skipped, demand, scratch, server
from benchmarks.table import Row
from quarters.formats.pacman import Pacman
from quarters.model.recipe import Dependency, Need, NeedKind, Origin, Output, Recipe, SourcedRecipe
from quarters.model.repository import Repository
from quarters.model.source import Source
from quarters.model.token import Scope
from quarters.protocol.resources import BuildRequest, NewToken
from quarters.scheduler.requests import Requests
from quarters.scheduler.settings import SchedulerSettings
from quarters.scheduler.upstreams import Upstreams
from quarters.server.tokens import Tokens
from quarters.storage import recipes, repositories, sources
from quarters.storage.database import Database
from quarters.storage.wakeups import Wakeups
from tests.postgresql import running_postgresql

ROUNDS = 3
QUEUED = 15_000
BUILDS = 3_000
BUILDERS = 50
PROCESSES = 2
_SOURCES = 5
_DEPENDS = 40
"""Dependencies that each recipe names; one build in five also needs another one of the queue."""
_GOAL = 500
_SLOWEST = 0.05
_BULLMQ = Path(__file__).parent / "bullmq"
_CACHE = Path(__file__).parent.parent / ".cache" / "bullmq"


class Pace(NamedTuple):
    """Builds or jobs per second, and the seconds that 99 of 100 claims did not exceed (0: not measured)."""

    rate: float
    slowest: float = 0.0


def rows() -> list[Row]:
    """Medians of three rounds in which the rivals take turns, each round on a queue that is as full again."""
    demand("redis-server", "node", "npm")
    with scratch() as folder, contextlib.ExitStack() as stack:
        _install()
        once = stack.enter_context(_queued(folder))
        rivals: Mapping[str, Callable[[Path], Pace]] = {
            "SQLite": once.on_sqlite,
            "PostgreSQL": once.on_postgresql,
            "always": lambda it: _bullmq(it, "always"),
            "everysec": lambda it: _bullmq(it, "everysec"),
        }
        found: dict[str, list[Pace]] = {name: [] for name in rivals}
        for number in range(ROUNDS):
            for name, measure in rivals.items():
                place = folder / f"{name}-{number}"
                place.mkdir()
                found[name].append(measure(place))
                shutil.rmtree(place)
    return _told(found)


def _told(found: Mapping[str, list[Pace]]) -> list[Row]:
    always, everysec = ([it.rate for it in found[name]] for name in ("always", "everysec"))
    measured = []
    for name in ("SQLite", "PostgreSQL"):
        rates = [it.rate for it in found[name]]
        slowest = 1000 * median(it.slowest for it in found[name])
        ratio = median(mine / its for mine, its in zip(rates, always, strict=True))
        lazy = median(mine / its for mine, its in zip(rates, everysec, strict=True))
        measured += [
            Row(
                f"builds claimed, told of and ended, {name}, {QUEUED:,} queued, {BUILDERS} builders",
                round(median(rates)),
                "/s",
                f"BullMQ, Redis syncs always ({lazy:.2f}x: every second)",
                ratio,
                f">= {_GOAL}/s",
                median(rates) >= _GOAL,
            ),
            Row(
                f"99 of 100 claims, {name}",
                slowest,
                "ms",
                goal=f"< {1000 * _SLOWEST:.0f} ms",
                met=slowest < 1000 * _SLOWEST,
            ),
        ]
    for name, rates in (("always", always), ("everysec", everysec)):
        what = f"BullMQ jobs taken, told of and completed, {QUEUED:,} queued, {BUILDERS} workers"
        measured.append(Row(f"{what}, appendfsync {name}", round(median(rates)), "/s"))
    return measured


class Queued(NamedTuple):
    """Databases with a full queue, to be copied for each round, and a token for each."""

    file: Path
    file_token: str
    postgresql: str
    postgresql_token: str

    def on_sqlite(self, folder: Path) -> Pace:
        """One round."""
        (folder / "data").mkdir()
        shutil.copy(self.file, folder / "data" / "quarters.db")
        return _served(folder, self.file_token)

    def on_postgresql(self, folder: Path) -> Pace:
        """One round."""
        self._administer("CREATE DATABASE round TEMPLATE queued")
        try:
            database = f"{self.postgresql}/round"
            return _served(folder, self.postgresql_token, QUARTERS_STORAGE__DATABASE=database)
        finally:
            self._administer("DROP DATABASE round")

    def _administer(self, statement: str) -> None:
        with psycopg.connect(f"{self.postgresql}/postgres", autocommit=True) as connection:
            connection.execute(statement.encode())


def _served(folder: Path, token: str, **settings: str) -> Pace:
    with server(folder, **settings) as quarters:
        port = quarters.connection.url.rpartition(":")[2]
        command = [sys.executable, "-P", "-m", "benchmarks.builders", port]
        share = str(BUILDS // PROCESSES)
        commands = [[*command, f"b{n}", str(BUILDERS // PROCESSES), share] for n in range(PROCESSES)]
        measured = [msgspec.json.decode(it, type=Measured) for it in _side_by_side(commands, token)]
    assert sum(it.done for it in measured) == BUILDS, "a builder came away empty-handed"
    claims = [claim for it in measured for claim in it.claims]
    return Pace(_rate(measured), quantiles(claims, n=100)[98])


@contextlib.contextmanager
def _queued(folder: Path) -> Iterator[Queued]:
    """The same queue in both kinds of database."""
    file = folder / "queued.db"
    with running_postgresql(durable=True) as url:
        with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE queued")
        on_file = asyncio.run(_fill(f"sqlite:///{file}"))
        on_postgresql = asyncio.run(_fill(f"{url}/queued"))
        yield Queued(file, on_file, url, on_postgresql)


async def _fill(url: str) -> str:
    """Make the database; a token for its server."""
    database = Database(url)
    await database.open()
    try:
        wakeups, settings = Wakeups(), SchedulerSettings()
        formats = {"pacman": Pacman()}
        upstreams = Upstreams(database, wakeups, formats, settings, _now)
        requests = Requests(database, wakeups, upstreams, formats, settings, _now)
        await database.write(
            repositories.add, Repository(name="bench", arches=("x86_64",), checks=False), _now()
        )
        for number in range(_SOURCES):
            source = Source(
                name=f"s{number}", kind="tree", location="/nowhere", repository="bench", automatic=False
            )
            await database.write(sources.add, source)
        made = _recipes(QUEUED + BUILDS)
        await database.write(recipes.put, made)
        await requests.request(BuildRequest(packages=tuple(it.pkgbase for it in made)), "bench")
        for number in range(_SOURCES):
            # Nothing else is to be done meanwhile.
            await database.write(sources.change, f"s{number}", enabled=False)
        tokens = Tokens(database, _now)
        return (await tokens.create(NewToken(name="bench", scope=Scope.ADMIN))).secret
    finally:
        await database.close()


def _recipes(count: int) -> list[SourcedRecipe]:
    chance = random.Random(1)
    return [_recipe(number, chance) for number in range(count)]


def _recipe(number: int, chance: random.Random) -> SourcedRecipe:
    name = f"package-{number}"
    needs = [
        Need(Dependency(f"lib-{chance.randrange(5000)}"), NeedKind.CHECKDEPENDS) for _ in range(_DEPENDS)
    ]
    if number % 5 == 4:
        needs.append(Need(Dependency(f"package-{chance.randrange(number)}"), NeedKind.MAKEDEPENDS))
    recipe = Recipe(
        pkgbase=name,
        version="1.0-1",
        arches=("x86_64",),
        outputs=(Output(name, ("x86_64",)),),
        needs=tuple(needs),
    )
    origin = Origin(
        source=f"s{number % _SOURCES}",
        path=name,
        revision="0" * 40,
        fingerprint=f"{number:064x}",
        author="A <a@example.org>",
    )
    return SourcedRecipe(pkgbase=name, origin=origin, recipe=recipe)


def _install() -> None:
    """BullMQ of the version that is written down, once."""
    wanted = (_BULLMQ / "package.json").read_bytes()
    installed = _CACHE / "package.json"
    if not installed.exists() or installed.read_bytes() != wanted:
        shutil.rmtree(_CACHE, ignore_errors=True)
        _CACHE.mkdir(parents=True)
        (_CACHE / "package.json").write_bytes(wanted)
        done = subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=_CACHE, check=False
        )
        if done.returncode:
            installed.unlink()
            raise Skipped("npm could not install BullMQ.")
    shutil.copy(_BULLMQ / "workers.mjs", _CACHE)


def _bullmq(folder: Path, appendfsync: str) -> Pace:
    """One round; jobs have no priorities and no dependencies, which is the quickest that BullMQ can do."""
    with _redis(folder, appendfsync) as port:
        node = ["node", str(_CACHE / "workers.mjs")]
        subprocess.run([*node, "fill", str(port), str(QUEUED + BUILDS)], check=True)
        command = [*node, "work", str(port), str(BUILDERS // PROCESSES), str(BUILDS // PROCESSES)]
        said = _side_by_side([command] * PROCESSES, "")
    return Pace(_rate([msgspec.json.decode(it, type=Jobs) for it in said]))


class Jobs(msgspec.Struct, frozen=True):
    """As `Measured`, of BullMQ's workers."""

    done: int
    began: float
    ended: float


@contextlib.contextmanager
def _redis(folder: Path, appendfsync: str) -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    options = ["--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "yes"]
    command = ["redis-server", "--port", str(port), *options, "--appendfsync", appendfsync]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def _side_by_side(commands: list[list[str]], said: str) -> list[bytes]:
    """What commands print that run at the same time."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [
        subprocess.Popen(it, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) for it in commands
    ]
    for it in running:
        assert it.stdin is not None
        it.stdin.write(f"{said}\n".encode())
        it.stdin.close()
    printed = []
    for it in running:
        assert it.stdout is not None
        printed.append(it.stdout.read())
        if it.wait():
            raise RuntimeError(f"{it.args!r} failed.")
    return printed


def _rate(measured: list[Measured] | list[Jobs]) -> float:
    lasted = max(it.ended for it in measured) - min(it.began for it in measured)
    return sum(it.done for it in measured) / lasted


def _now() -> datetime:
    return datetime.now(UTC)
