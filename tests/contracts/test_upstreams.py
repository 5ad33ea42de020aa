"""Databases of upstream repositories over real HTTP: asked for conditionally, kept when they cannot be read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from quarters.model.repository import Repository
from quarters.storage import upstreams
from quarters.storage.database import Database
from tests.contracts.farm import Farm, recipe
from tests.mirror import Mirror, mirror


@pytest.fixture
def core() -> Iterator[Mirror]:
    with mirror() as running:
        running.hold("glibc=2.39-1")
        yield running


@pytest.fixture
async def farm(database: Database, tmp_path: Path, core: Mirror) -> Farm:
    farm = Farm(database, tmp_path)
    await farm.begin(recipe("app", "glibc"), repository=_repository(core))
    return farm


def _repository(core: Mirror) -> Repository:
    return Repository(name="extra", upstreams=(core.upstream,))


async def _held(farm: Farm, core: Mirror) -> list[str]:
    found = await farm.database.read(upstreams.packages, _repository(core), "x86_64")
    return [f"{package.name} {package.version}" for package in found]


async def _later(farm: Farm) -> None:
    farm.clock.turn(farm.settings.upstream_refresh + 1)
    await farm.upstreams.refresh()


@pytest.mark.parametrize("etags", [True, False], ids=["etag", "last-modified"])
async def test_what_did_not_change_is_not_sent_again(farm: Farm, core: Mirror, etags: bool) -> None:
    core.etags = etags
    await farm.upstreams.refresh()
    await _later(farm)
    await _later(farm)
    assert core.asked == [("/core/x86_64/core.db", status) for status in (200, 304, 304)]
    assert await _held(farm, core) == ["glibc 2.39-1"]


@pytest.mark.parametrize("etags", [True, False], ids=["etag", "last-modified"])
async def test_what_changed_is_read_and_only_then_anew(farm: Farm, core: Mirror, etags: bool) -> None:
    core.etags = etags
    await farm.upstreams.refresh()
    core.hold("glibc=2.40-1", "zlib=1.3-1")
    await _later(farm)
    await _later(farm)
    assert core.statuses == [200, 200, 304]
    assert await _held(farm, core) == ["glibc 2.40-1", "zlib 1.3-1"]


async def test_nothing_is_asked_before_it_is_due(farm: Farm, core: Mirror) -> None:
    await farm.upstreams.refresh()
    farm.clock.turn(farm.settings.upstream_refresh - 1)
    await farm.upstreams.refresh()
    assert core.statuses == [200]


async def test_an_upstream_that_cannot_be_read_keeps_what_it_held_and_says_so(
    farm: Farm, core: Mirror
) -> None:
    await farm.upstreams.refresh()
    core.broken = True
    await _later(farm)
    assert await _held(farm, core) == ["glibc 2.39-1"]
    (problem,) = await farm.database.read(upstreams.problems, "extra")
    assert "core.db cannot be read: 503" in problem
    assert (await farm.ask("app")).builds
    core.broken = False
    await _later(farm)
    assert await farm.database.read(upstreams.problems, "extra") == []
    assert core.statuses == [200, 503, 304]
