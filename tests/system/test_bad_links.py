"""Builders and readers over links that break, and builders that end while they send, with real processes."""

import asyncio
import re
from pathlib import Path

import pytest

from quarters.model.build import State
from quarters.protocol.client import Client
from quarters.protocol.streams import LogEnd
from tests.faulty import faulty
from tests.inhabitants import WAITING, inhabitants, let_go
from tests.system.farm import Farm, commit, farm_in, happened, killed, logged, opened, recipe

LINES = 150_000
TALKATIVE = f"""build() {{
  printf '\\033[1;32mgreen\\033[m\\n'
  seq -f 'line %.0f' {LINES}
  head -c 6000000 /dev/urandom >"$srcdir/noise"
}}"""
PACKAGED = """package() {
  install -D -m644 "$srcdir/noise" "$pkgdir/usr/share/talk/noise"
}"""


@pytest.fixture
def talk(folder: Path) -> Path:
    """A source whose recipe prints much and makes a large package."""
    tree = folder / "tree"
    recipe(tree, "talk", TALKATIVE)
    with (tree / "talk" / "PKGBUILD").open("a") as file:
        file.write(PACKAGED)
    commit(tree)
    return tree


@pytest.fixture
def slow(folder: Path) -> Path:
    """A source whose recipe waits in its build until it is let go."""
    recipe(folder / "tree", "slow", WAITING)
    commit(folder / "tree")
    return folder / "tree"


async def test_log_and_package_arrive_whole_and_once_over_a_link_that_breaks_again_and_again(
    farm: Farm, talk: Path
) -> None:
    async with opened(farm, talk) as client, faulty(farm.url, life=1_500_000) as link:
        await farm.builder("anvil", url=link.url)
        build = int((await happened(client, "build.running", pkgbase="talk")).subject)
        reader = Client(link.url)
        followed = [part async for part in reader.builds.follow_log(build)]
        await reader.close()
        assert isinstance(followed[-1], LogEnd)
        assert followed[-1].state is State.SUCCEEDED
        whole = (await client.builds.log(build)).decode()
        assert "".join(part.text for part in followed[:-1] if not isinstance(part, LogEnd)) == whole
        assert link.cuts > 5
        done = await client.builds.show(build)
        assert (done.state, done.attempt) == (State.SUCCEEDED, 1)
    assert re.findall(r"^line (\d+)$", whole, re.MULTILINE) == [str(n) for n in range(1, LINES + 1)]
    assert "\n\x1b[1;32mgreen\x1b[m\n" in whole
    said = farm.run("log", str(build), "--follow")
    assert said.count("line ") == LINES
    assert "nothing wrong" in farm.run("check")


async def test_a_builder_that_is_killed_while_it_uploads_sends_the_rest_when_it_is_started_again(
    farm: Farm, talk: Path
) -> None:
    async with opened(farm, talk) as client, faulty(farm.url, life=0) as link:
        first = await farm.builder("anvil", url=link.url)
        uploading = await happened(client, "build.step", step="upload")
        link.delay = 0.1
        link.cut()
        killed(first)
        link.delay = 0.002
        second = await farm.builder("anvil", url=link.url)
        done = await happened(client, "build.succeeded", after=uploading.id)
        log = (await client.builds.log(int(done.subject))).decode()
        second.terminate()
        assert await asyncio.to_thread(second.wait, 30) == 0
    assert list((farm.builder_data("anvil") / "work").iterdir()) == []
    assert farm.said("anvil").count('"build begun"') == 1
    assert farm.said("anvil").count('"delivery begun"') == 1
    assert log.count("what it had built is sent now") == 1
    assert re.findall(r"^line (\d+)$", log, re.MULTILINE) == [str(n) for n in range(1, LINES + 1)]


async def test_a_builder_that_is_told_to_stop_hands_its_build_back_at_once(farm: Farm, slow: Path) -> None:
    async with opened(farm, slow) as client:
        first = await farm.builder("anvil")
        running = await happened(client, "build.running")
        build = int(running.subject)
        await logged(client, build, "waiting", attempt=1)
        first.terminate()
        back = await happened(client, "build.ready", after=running.id)
        assert (back.data["from"], back.data.get("reason")) == ("running", None)
        assert await asyncio.to_thread(first.wait, 30) == 0
        assert inhabitants(farm.folder) == []
        assert list((farm.builder_data("anvil") / "work").iterdir()) == []
        assert "stopped" in (await client.builds.show(build)).message
        await farm.builder("bellows")
        await logged(client, build, "waiting", attempt=2)
        let_go(farm.builder_data("bellows"))
        await happened(client, "build.succeeded", after=running.id)


async def test_a_builder_may_finish_its_build_before_it_stops(folder: Path, slow: Path) -> None:
    settings = {"QUARTERS_SCHEDULER__HEARTBEAT": "1", "QUARTERS_BUILDER__ON_STOP": "finish"}
    with farm_in(folder, settings) as farm:
        async with opened(farm, slow) as client:
            builder = await farm.builder("anvil")
            build = int((await happened(client, "build.running")).subject)
            await logged(client, build, "waiting", attempt=1)
            builder.terminate()
            let_go(farm.builder_data("anvil"))
            await happened(client, "build.succeeded")
            assert await asyncio.to_thread(builder.wait, 30) == 0
            assert (await client.builds.show(build)).attempt == 1
