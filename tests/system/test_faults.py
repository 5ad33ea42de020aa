"""Everything that goes wrong between a server, its database and its builders, and what has to be true afterwards."""

import asyncio
import os
import random
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from quarters.model.build import State
from quarters.protocol.client import Client
from quarters.protocol.resources import NewSource
from tests.inhabitants import WAITING, let_go
from tests.postgresql import Postgresql, own_postgresql
from tests.system.afterwards import everything_is_in_order
from tests.system.crew import Chronicle, Crew
from tests.system.farm import (
    REPOSITORY,
    Farm,
    commit,
    farm_in,
    happened,
    killed,
    logged,
    opened,
    recipe,
)

_SETTINGS = {
    "QUARTERS_SCHEDULER__HEARTBEAT": "1",
    "QUARTERS_RETRIES__BUILDER_LOST": ",".join(["0.1"] * 20),
}
_LONGEST = 600
"""Seconds that all of a test may take: while a server is killed again and again, no lease is found to be lost."""
_LOCK_SQLITE = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def chance() -> random.Random:
    """What is drawn from it can be drawn again."""
    seed = int(os.environ.get("QUARTERS_TEST_SEED") or random.randrange(1 << 32))
    print(f"to do the same again: QUARTERS_TEST_SEED={seed}")
    return random.Random(seed)


@contextmanager
def postgresql_database() -> Iterator[tuple[Postgresql, str]]:
    """A PostgreSQL server of the test's own, and the URL of an empty database there."""
    with own_postgresql() as server:
        name = f"test_{uuid4().hex}"
        with psycopg.connect(f"{server.url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        yield server, f"{server.url}/{name}"


@dataclass
class Labour:
    """A running server, whose builds a crew works on."""

    farm: Farm
    admin: Client
    crew: Crew
    chronicle: Chronicle
    needs: dict[str, str]

    async def suffer(self, fault: Callable[[], Awaitable[object]], times: int, chance: random.Random) -> None:
        """Let `fault` happen that often, at moments that are spread over all the work."""
        for moment in sorted(chance.sample(range(10, 5 * len(self.needs)), times)):
            await self.crew.until_answered(moment)
            await asyncio.sleep(chance.uniform(0, 0.2))
            done = len({it.subject for it in self.chronicle.told("build.succeeded")})
            print(f"after {self.crew.answered} answers, {done} are published")
            assert done < len(self.needs)
            await fault()


@asynccontextmanager
async def labour(farm: Farm, builds: int, chance: random.Random) -> AsyncIterator[Labour]:
    """Have so many recipes, of which most need another one, built; in the end all of them are, and all is in order."""
    names = [f"package-{number:03}" for number in range(builds)]
    needs = {}
    for number, name in enumerate(names):
        needs[name] = chance.choice(names[:number]) if number and chance.random() < 0.6 else ""
        recipe(farm.folder / "tree", name, depends=needs[name])
    commit(farm.folder / "tree")
    async with opened(farm) as admin, asyncio.timeout(_LONGEST):
        chronicle = Chronicle()
        crew = Crew(farm, chronicle, chance.randrange(1 << 32))
        following = asyncio.create_task(chronicle.follow(admin))
        async with crew.working("anvil", "bellows", "chisel"):
            tree = NewSource(name="tree", location=str(farm.folder / "tree"), repository=REPOSITORY)
            await admin.sources.create(tree)
            yield Labour(farm, admin, crew, chronicle, needs)
            await chronicle.until_all("build.succeeded", builds)
        await crew.speak_out_of_the_grave()
        await everything_is_in_order(farm, admin, chronicle, needs)
        following.cancel()


async def test_a_server_that_is_killed_24_times_within_200_builds_of_bad_builders_loses_and_doubles_nothing(
    folder: Path, chance: random.Random
) -> None:
    with farm_in(folder, _SETTINGS) as farm:

        async def kill() -> None:
            killed(farm.serving)
            await asyncio.to_thread(farm.server)

        async with labour(farm, 200, chance) as work:
            await work.suffer(kill, 24, chance)


async def test_while_sqlite_is_locked_by_others_everything_waits_and_nothing_is_lost(
    folder: Path, chance: random.Random
) -> None:
    with farm_in(folder, _SETTINGS) as farm:
        # The last time for longer than a statement waits: builders are told that the database cannot be used.
        seconds = iter((1.0, 5.0, 33.0))

        async def lock() -> None:
            path = str(farm.data / "quarters.db")
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _LOCK_SQLITE, path, stdout=PIPE
            )
            assert process.stdout is not None
            assert await process.stdout.readline() == b"locked\n"
            await asyncio.sleep(next(seconds))
            process.kill()
            await process.wait()

        async with labour(farm, 40, chance) as work:
            await work.suffer(lock, 3, chance)
        the_server_went_on(farm)


async def test_while_postgresql_is_locked_by_others_everything_waits_and_nothing_is_lost(
    folder: Path, chance: random.Random
) -> None:
    with postgresql_database() as (_, url), farm_in(folder, _on(url)) as farm:
        seconds = iter((1.0, 5.0, 12.0))

        async def lock() -> None:
            async with await psycopg.AsyncConnection.connect(url) as connection:
                await connection.execute("LOCK TABLE builds, attempts IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(next(seconds))

        async with labour(farm, 40, chance) as work:
            await work.suffer(lock, 3, chance)
        the_server_went_on(farm)


async def test_postgresql_may_stop_and_start_again_and_nothing_is_lost(
    folder: Path, chance: random.Random
) -> None:
    with postgresql_database() as (server, url), farm_in(folder, _on(url)) as farm:
        seconds = iter((0.0, 2.0, 5.0, 12.0))

        async def stop() -> None:
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(next(seconds))
            await asyncio.to_thread(server.start)

        async with labour(farm, 40, chance) as work:
            await work.suffer(stop, 4, chance)
        the_server_went_on(farm)


async def test_a_build_goes_on_while_postgresql_is_gone_for_longer_than_its_lease(folder: Path) -> None:
    recipe(folder / "tree", "slow", WAITING)
    commit(folder / "tree")
    with postgresql_database() as (server, url), farm_in(folder, _on(url)) as farm:
        async with opened(farm, folder / "tree") as admin:
            await farm.builder("anvil")
            build = int((await happened(admin, "build.running", pkgbase="slow")).subject)
            await logged(admin, build, "waiting", attempt=1)
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(8)
            await asyncio.to_thread(server.start)
            let_go(farm.builder_data("anvil"))
            await happened(admin, "build.succeeded", pkgbase="slow")
            done = await admin.builds.show(build)
            assert (done.state, done.attempt) == (State.SUCCEEDED, 1)
        the_server_went_on(farm)


def the_server_went_on(farm: Farm) -> None:
    """It was never started again, nor was anything in it."""
    assert farm.serving.poll() is None
    assert "loop died" not in farm.said("server")


def _on(url: str) -> dict[str, str]:
    return {**_SETTINGS, "QUARTERS_STORAGE__DATABASE": url}
