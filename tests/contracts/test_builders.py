"""Builders introduce themselves, are drained and enabled, and are forgotten; on both databases."""

from pathlib import Path

import pytest

from quarters.model.builder import BuilderState
from quarters.model.errors import NotFound
from quarters.protocol.builds import ClaimRequest
from quarters.storage.database import Database
from tests.contracts.farm import Farm, recipe


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> Farm:
    farm = Farm(database, tmp_path)
    await farm.begin(recipe("lib"), recipe("tool"))
    await farm.ask("lib", "tool")
    return farm


async def test_a_builder_is_known_once_it_asked_for_work(farm: Farm) -> None:
    one = await farm.claimed("anvil")
    shown = await farm.builders.show("anvil")
    assert (shown.slots, shown.running, shown.alive) == (4, (one.build,), True)
    farm.clock.turn(farm.settings.builder_alive + 1)
    assert not (await farm.builders.show("anvil")).alive


async def test_what_a_builder_says_about_itself_is_always_the_newest(farm: Farm) -> None:
    await farm.claim("anvil", free=0)
    await farm.leases.claim(
        ClaimRequest(builder="anvil", arches=("x86_64",), slots=9, free=0, version="2", executor="sandbox")
    )
    shown = await farm.builders.show("anvil")
    assert (shown.slots, shown.version, shown.executor) == (9, "2", "sandbox")


async def test_a_draining_builder_keeps_what_it_has_and_gets_nothing_new(farm: Farm) -> None:
    one = await farm.claimed("anvil")
    assert (await farm.builders.drain("anvil")).state is BuilderState.DRAINING
    assert await farm.claim("anvil") == []
    assert (await farm.builders.show("anvil")).state is BuilderState.DRAINING
    await farm.build(one)
    await farm.builders.enable("anvil")
    assert len(await farm.claim("anvil")) == 1


async def test_a_removed_builder_is_forgotten_until_it_asks_again(farm: Farm) -> None:
    await farm.claim("anvil", free=0)
    await farm.builders.remove("anvil")
    with pytest.raises(NotFound, match="no builder 'anvil'"):
        await farm.builders.show("anvil")
    with pytest.raises(NotFound):
        await farm.builders.drain("anvil")
    await farm.claim("anvil", free=0)
    assert (await farm.builders.show("anvil")).state is BuilderState.ENABLED


async def test_builders_are_listed_by_name_in_pages(farm: Farm) -> None:
    for name in ("c", "a", "b"):
        await farm.claim(name, free=0)
    first = await farm.builders.list(limit=2)
    assert [one.name for one in first.items] == ["a", "b"]
    rest = await farm.builders.list(limit=2, cursor=first.cursor)
    assert ([one.name for one in rest.items], rest.cursor) == (["c"], None)
