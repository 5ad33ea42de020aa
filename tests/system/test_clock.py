"""A server whose clock is set while it runs: what clients are told still rises, and no lease is lost or stays for ever."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import pytest

from quarters.model.build import State
from quarters.model.errors import LeaseLost
from quarters.model.token import Scope
from quarters.protocol.builds import ClaimRequest, Heartbeat, LeaseKey
from quarters.protocol.client import Client
from quarters.protocol.resources import NewToken
from tests.press import package
from tests.system.farm import REPOSITORY, Farm, commit, farm_in, happened, opened, recipe

_LIBRARY = "faketime/libfaketime.so.1"
FAKETIME = next((it for place in (_LIBRARY, f"*/{_LIBRARY}") for it in Path("/usr/lib").glob(place)), None)

pytestmark = pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")


@pytest.fixture
def farm(folder: Path) -> Iterator[Farm]:
    """A farm whose processes all have the clock that `set_clock` sets."""
    settings = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "QUARTERS_SCHEDULER__HEARTBEAT": "1",
    }
    (folder / "clock").write_text("+0s\n")
    with farm_in(folder, settings) as farm:
        yield farm


async def set_clock(farm: Farm, by: timedelta) -> None:
    """Let the clock go so far before or behind the true one, and return once the server goes by it."""
    new = farm.folder / "clock.new"
    new.write_text(f"{by.total_seconds():+.0f}s\n")
    new.rename(farm.folder / "clock")
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{farm.url}/health/live") as answer:
                told = parsedate_to_datetime(answer.headers["Date"])
            if abs(told - datetime.now(UTC) - by) < timedelta(seconds=20):
                return
            await asyncio.sleep(0.2)  # nobody tells


async def last_modified(farm: Farm) -> datetime:
    """What clients are told of the index."""
    url = f"{farm.url}/repo/{REPOSITORY}/x86_64/{REPOSITORY}.db"
    async with aiohttp.ClientSession() as session, session.head(url, allow_redirects=True) as answer:
        return parsedate_to_datetime(answer.headers["Last-Modified"])


async def test_however_the_clock_is_set_every_publish_and_rollback_still_is_newer_than_the_one_before(
    farm: Farm,
) -> None:
    async with opened(farm):
        times = [await last_modified(farm)]
        for number, minutes in enumerate((90, 60, 100_000, 1)):
            await set_clock(farm, timedelta(minutes=minutes))
            made = package(f"p{number}")
            (farm.folder / made.file_name).write_bytes(made.content)
            await asyncio.to_thread(
                farm.run, "repo", "publish", REPOSITORY, str(farm.folder / made.file_name)
            )
            times.append(await last_modified(farm))
        await asyncio.to_thread(farm.run, "repo", "rollback", REPOSITORY, "2", "--yes")
        times.append(await last_modified(farm))
        assert times == sorted(set(times))
        await set_clock(farm, timedelta(days=-2))
        said = await asyncio.to_thread(farm.run, "repo", "remove", REPOSITORY, "p0", code=1)
        assert "is not valid at the time that the clock shows" in said
        # A signature counts from when it was made: now all of them do.
        await set_clock(farm, timedelta(minutes=100_002))
        assert "nothing wrong" in await asyncio.to_thread(farm.run, "repo", "check", REPOSITORY)


async def claimed(client: Client) -> LeaseKey:
    """A build that is now ours."""
    request = ClaimRequest(builder="anvil", arches=("x86_64",), slots=1, free=1, wait=20)
    async with asyncio.timeout(60):
        while True:
            for one in (await client.work.claim(request)).assignments:
                return LeaseKey(one.build, one.attempt, one.lease)


@pytest.mark.parametrize("by", [timedelta(days=2), timedelta(days=-2)])
async def test_a_builder_that_reports_keeps_its_lease_however_the_clock_is_set_and_a_silent_one_loses_it(
    farm: Farm, by: timedelta
) -> None:
    recipe(farm.folder / "tree", "thing")
    commit(farm.folder / "tree")
    async with opened(farm, farm.folder / "tree") as admin:
        token = await admin.tokens.create(NewToken(name="anvil", scope=Scope.BUILDER))
        async with Client(farm.url, token.secret) as client:
            key = await claimed(client)
            await client.work.heartbeat(key, Heartbeat(steps=()))
            await set_clock(farm, by)
            for _ in range(10):  # for longer than a lease lasts
                await asyncio.sleep(0.5)
                assert not (await client.work.heartbeat(key, Heartbeat(steps=()))).cancel
            shown = await admin.builds.show(key.build)
            assert (shown.state, shown.attempt) == (State.RUNNING, 1)
            await set_clock(farm, timedelta())
            await happened(admin, "lease.lost")
            with pytest.raises(LeaseLost):
                await client.work.heartbeat(key, Heartbeat(steps=()))
