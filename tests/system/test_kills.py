"""Servers and builders that end in the middle of something, by force or not."""

import asyncio
import hashlib
import random
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from quarters.model.build import State
from quarters.protocol.client import Client
from quarters.protocol.resources import BuildFilter
from tests.inhabitants import WAITING, inhabitants, let_go
from tests.system.client import pacman
from tests.system.farm import (
    REPOSITORY,
    Farm,
    all_builds,
    commit,
    ended,
    handles,
    happened,
    killed,
    logged,
    opened,
    recipe,
)


@pytest.fixture
def tree(folder: Path) -> Path:
    """A source whose only recipe waits in its build until it is let go."""
    recipe(folder / "tree", "slow", WAITING)
    commit(folder / "tree")
    return folder / "tree"


async def waiting_build(client: Client, attempt: int = 1) -> int:
    """The number of the build of `slow`, once it waits."""
    running = await happened(client, "build.running", pkgbase="slow")
    await logged(client, int(running.subject), "waiting", attempt)
    return int(running.subject)


@pytest.mark.parametrize("successor", ["anvil", "bellows"])
async def test_a_build_whose_builder_was_killed_runs_again_and_succeeds(
    farm: Farm, tree: Path, successor: str
) -> None:
    async with opened(farm, tree) as client:
        first = await farm.builder("anvil")
        build = await waiting_build(client)
        begun = (await happened(client, "build.running", pkgbase="slow")).id
        inside = handles(farm.builder_data("anvil"))
        killed(first)
        await ended(inside)
        assert inhabitants(farm.folder) == []
        assert str(farm.folder) not in Path("/proc/self/mountinfo").read_text()
        again = await happened(client, "build.ready", after=begun, pkgbase="slow")
        assert again.data["from"] == "running"
        lost = await client.builds.show(build)
        assert (lost.state, lost.attempt) == (State.READY, 1)
        assert "builder lost" in lost.why

        await farm.builder(successor)
        await logged(client, build, "waiting", attempt=2)
        let_go(farm.builder_data(successor))
        await happened(client, "build.succeeded", pkgbase="slow")
        done = await client.builds.show(build)
        assert (done.attempt, done.builder) == (2, successor)
        assert b"waiting" in await client.builds.log(build, attempt=1)
        assert list((farm.builder_data(successor) / "work").iterdir()) == []


async def test_a_server_that_is_told_to_stop_does_so_at_once_and_its_builds_go_on(
    farm: Farm, tree: Path
) -> None:
    async with opened(farm, tree) as client:
        server = farm.serving
        await farm.builder("anvil")
        build = await waiting_build(client)
        following = asyncio.create_task(happened(client, "build.succeeded", pkgbase="slow"))
        reading = asyncio.create_task(logged(client, build, "gone on", attempt=1))
        async with aiohttp.ClientSession() as session, session.get(f"{farm.url}/api/v1/events") as stream:
            await stream.content.readline()
            began = time.monotonic()
            server.terminate()
            await asyncio.to_thread(server.communicate, timeout=30)
            assert (server.returncode, time.monotonic() - began < 5) == (0, True)
        farm.server()
        let_go(farm.builder_data("anvil"))
        await following
        await reading
        done = await client.builds.show(build)
        assert (done.state, done.attempt) == (State.SUCCEEDED, 1)


async def test_a_server_killed_again_and_again_while_it_publishes_loses_and_doubles_nothing(
    farm: Farm,
) -> None:
    names = [f"package-{number:02}" for number in range(8)]
    for number, name in enumerate(names):
        recipe(farm.folder / "tree", name, depends=names[number - 4] if number >= 4 else "")
    commit(farm.folder / "tree")
    chance = random.Random(20261121)
    async with opened(farm, farm.folder / "tree") as client:
        for name in ("anvil", "bellows"):
            await farm.builder(name)
        seen = 0
        for _ in range(5):
            # From the moment in which a build was handed over until some time after its publish.
            seen = (await happened(client, "build.publishing", after=seen)).id
            await asyncio.sleep(chance.uniform(0, 0.12))
            killed(farm.serving)
            farm.server()
        farm.run("builds", "watch", "--until-idle")
        await every_build_succeeded_once(client, names)
        await the_index_is_whole(farm, client, names)


async def every_build_succeeded_once(client: Client, names: list[str]) -> None:
    """One build for every name, which succeeded once."""
    page = await client.builds.list(BuildFilter(), limit=200)
    assert sorted(build.pkgbase for build in page.items) == names
    assert {build.state for build in page.items} == {State.SUCCEEDED}
    times: Counter[str | int | None] = Counter()
    async with asyncio.timeout(30):
        async for event in client.events.follow(0):
            times[event.data.get("pkgbase")] += event.kind == "build.succeeded"
            if sum(times.values()) == len(names):
                break
    assert {times[name] for name in names} == {1}


async def the_index_is_whole(farm: Farm, client: Client, names: list[str]) -> None:
    """What is listed can be downloaded, is what was promised, and pacman trusts it."""
    listed = (await client.repositories.packages(REPOSITORY, limit=200)).items
    assert [package.name for package in listed] == names
    async with aiohttp.ClientSession() as session:
        for package in listed:
            url = f"{farm.url}/repo/{REPOSITORY}/x86_64/{package.file_name}"
            async with session.get(url) as answer:
                assert hashlib.sha256(await answer.read()).hexdigest() == package.sha256
    said = pacman(
        farm, REPOSITORY, f'pacman --config "$conf" --noconfirm -Syw {" ".join(names)}; ls "$cache"'
    )
    assert all(f"{name}-1-1-any.pkg.tar.zst.sig" in said for name in names)


async def test_a_cancelled_build_is_killed_on_its_builder(farm: Farm, tree: Path) -> None:
    async with opened(farm, tree) as client:
        await farm.builder("anvil")
        build = await waiting_build(client)
        inside = handles(farm.builder_data("anvil"))
        await client.builds.cancel(build)
        await ended(inside)
        assert (await client.builds.show(build)).state is State.CANCELLED
        await client.builds.retry(build)
        await logged(client, build, "waiting", attempt=2)
        let_go(farm.builder_data("anvil"))
        await happened(client, "build.succeeded", pkgbase="slow")
        assert set(await all_builds(client)) == {"slow"}


async def test_a_disabled_builder_stops_what_it_builds_and_another_one_builds_it(
    farm: Farm, tree: Path
) -> None:
    async with opened(farm, tree) as client:
        await farm.builder("anvil")
        build = await waiting_build(client)
        inside = handles(farm.builder_data("anvil"))
        said = await asyncio.to_thread(farm.run, "builders", "disable", "anvil")
        assert said == "Builder anvil gets no new builds, and has lost those that it had.\n"
        await ended(inside)
        shown = await client.builds.show(build)
        assert (shown.state, shown.why) == (
            State.READY,
            "The only builder that could take it, anvil, is disabled.",
        )
        await farm.builder("bellows")
        await logged(client, build, "waiting", attempt=2)
        let_go(farm.builder_data("bellows"))
        await happened(client, "build.succeeded", pkgbase="slow")
        assert (await client.builds.show(build)).builder == "bellows"
