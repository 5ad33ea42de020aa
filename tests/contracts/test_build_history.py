"""What is kept of builds that are over, by age and number; on both databases."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update

from quarters.model.build import State
from quarters.model.errors import NotFound
from quarters.model.recipe import NeedKind
from quarters.scheduler.history import BuildHistory
from quarters.scheduler.settings import LogsSettings
from quarters.storage import events, needs
from quarters.storage.database import Database
from quarters.storage.schema import attempts, builds, packages, requests
from tests.contracts.farm import Farm, key, recipe

DAY = 86_400


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> Farm:
    farm = Farm(database, tmp_path)
    farm.history = history(farm, keep_days=30, keep_builds=2, keep_events=7)
    await farm.begin(recipe("lib"), recipe("app", "lib"))
    return farm


def history(farm: Farm, *, keep_days: int = 90, keep_builds: int = 10, keep_events: int = 30) -> BuildHistory:
    settings = LogsSettings(keep_days=keep_days, keep_builds=keep_builds, keep_events=keep_events)
    return BuildHistory(farm.database, farm.wakeups, farm.logs, settings, farm.clock)


async def ended(farm: Farm, pkgbase: str = "lib") -> int:
    """One more build that failed, with a log."""
    await farm.ask(pkgbase, force=True)
    one = await farm.claimed()
    await farm.leases.append_log(key(one), 0, b"it went wrong\n")
    await farm.fail(one)
    return one.build


async def numbers(farm: Farm) -> list[int]:
    return list(
        await farm.database.read(lambda it: it.scalars(select(builds.c.id).order_by(builds.c.id)).all())
    )


async def test_old_builds_go_but_for_the_newest_ones_of_each_package(farm: Farm) -> None:
    old = [await ended(farm) for _ in range(4)]
    farm.clock.turn(31 * DAY)
    young = await ended(farm)
    assert (await farm.history.clean(dry_run=False)).builds == 3
    assert await numbers(farm) == [old[3], young]
    left = await farm.database.read(lambda it: it.scalars(select(attempts.c.build)).all())
    assert sorted(left) == [old[3], young]
    with pytest.raises(NotFound):
        await farm.builds.show(old[0])


async def test_young_builds_stay_however_many_there_are(farm: Farm) -> None:
    young = [await ended(farm) for _ in range(5)]
    assert (await farm.history.clean(dry_run=False)).builds == 0
    assert await numbers(farm) == young


async def test_a_dry_run_says_what_would_go_and_removes_nothing(farm: Farm) -> None:
    there = [await ended(farm) for _ in range(4)]
    farm.clock.turn(31 * DAY)
    told = await farm.history.clean(dry_run=True)
    assert await numbers(farm) == there
    assert farm.logs.builds() == there
    assert await farm.history.clean(dry_run=False) == told
    assert told.builds == 2
    assert told.freed > 0
    assert told.events > 0


async def test_logs_go_with_their_builds_compressed_or_not(farm: Farm) -> None:
    there = [await ended(farm) for _ in range(2)]
    await farm.history.compress()
    there += [await ended(farm) for _ in range(2)]
    farm.clock.turn(31 * DAY)
    await farm.history.clean(dry_run=False)
    assert farm.logs.builds() == there[2:]


async def test_logs_without_a_build_go(farm: Farm) -> None:
    farm.logs.append(4711, 1, 0, b"of a repository that was deleted")
    farm.logs.append(4712, 1, 0, b"the same")
    farm.logs.compress(4712, 1)
    kept = await ended(farm)
    assert (await farm.history.clean(dry_run=False)).freed > 0
    assert farm.logs.builds() == [kept]


async def test_unfinished_builds_and_what_they_need_stay(farm: Farm) -> None:
    needed = await ended(farm)
    other, another, last = [await ended(farm) for _ in range(3)]
    (waiting,) = (await farm.ask("app")).builds[-1:]
    edge = (waiting, needed, "lib", NeedKind.MAKEDEPENDS)
    await farm.database.write(needs.add, [edge])
    farm.clock.turn(400 * DAY)
    assert (await farm.history.clean(dry_run=False)).builds == 2
    left = set(await numbers(farm))
    assert {needed, last, waiting} <= left
    assert left.isdisjoint({other, another})


async def test_a_running_build_keeps_its_row_and_its_log(farm: Farm) -> None:
    farm.history = history(farm, keep_days=0, keep_builds=1)
    await farm.ask("lib")
    one = await farm.claimed()
    await farm.leases.append_log(key(one), 0, b"building\n")
    farm.clock.turn(400 * DAY)
    await farm.history.compress()
    await farm.history.clean(dry_run=False)
    assert farm.logs.growing() == {(one.build, 1)}
    assert (await farm.builds.show(one.build)).state is State.RUNNING


async def test_what_made_a_stored_package_stays(farm: Farm) -> None:
    old = [await ended(farm) for _ in range(4)]

    def publish(connection: Connection) -> None:
        row: dict[str, Any] = {
            "file_name": "f",
            "name": "n",
            "base": "lib",
            "version": "1-1",
            "arch": "any",
            "info": {},
        }
        row |= {"index_parts": {}, "added_at": farm.clock(), "build": old[0]}
        connection.execute(insert(packages).values(sha256="0" * 64, **row))

    await farm.database.write(publish)
    farm.clock.turn(31 * DAY)
    await farm.history.clean(dry_run=False)
    assert await numbers(farm) == [old[0], *old[2:]]
    assert await farm.builds.log(old[0], 1, 0, 100) == b"it went wrong\n"


async def test_requests_without_builds_go_but_for_the_last_of_who_asked(farm: Farm) -> None:
    for _ in range(4):
        await ended(farm)
    farm.clock.turn(31 * DAY)
    await farm.history.clean(dry_run=False)
    assert await farm.database.read(lambda it: it.scalar(select(func.count()).select_from(requests))) == 2


async def test_a_request_that_joined_a_build_stays_as_long_as_that(farm: Farm) -> None:
    farm.history = history(farm, keep_days=0)
    (lib,) = (await farm.ask("lib")).builds
    joined = await farm.ask("lib")
    await farm.ask("lib")
    farm.clock.turn(DAY)
    await farm.history.clean(dry_run=False)
    assert joined.request in {wish.request for wish in (await farm.builds.show(lib)).wishes}


async def test_events_go_by_age(farm: Farm) -> None:
    await ended(farm)
    farm.clock.turn(8 * DAY)
    before = await farm.database.read(events.newest)
    await ended(farm)
    assert (await farm.history.clean(dry_run=False)).events == before
    left = await farm.database.read(events.after, 0)
    assert left[0].id == before + 1
    assert all(it.at == farm.clock() for it in left)


async def test_the_number_of_a_build_that_is_gone_is_never_given_again(farm: Farm) -> None:
    last = await ended(farm)

    def age(connection: Connection) -> None:
        connection.execute(update(builds).values(finished_at=farm.clock() - timedelta(days=400)))
        connection.execute(builds.delete())

    await farm.database.write(age)
    assert await ended(farm) > last
