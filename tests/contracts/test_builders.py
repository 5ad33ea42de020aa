"""Builders introduce themselves, are drained, disabled and enabled, and are forgotten; on both databases."""

from pathlib import Path

import pytest

from quarters.model.build import State
from quarters.model.builder import BuilderState
from quarters.model.errors import LeaseLost, NotFound
from quarters.protocol.builds import ClaimRequest, Heartbeat
from quarters.storage.database import Database
from tests.contracts.farm import Farm, built, key, recipe


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


async def test_what_a_disabled_builder_has_goes_to_another_one_at_once_and_counts_as_no_try(
    farm: Farm,
) -> None:
    one = await farm.claimed("anvil")
    artifact = await farm.upload(one)
    assert (await farm.builders.disable("anvil")).state is BuilderState.DISABLED
    waiting = await farm.builds.show(one.build)
    assert (waiting.state, waiting.reason, waiting.builder) == (State.READY, None, None)
    assert waiting.message == "The builder anvil was disabled."
    for late in (
        lambda: farm.leases.heartbeat(key(one), Heartbeat()),
        lambda: farm.leases.finish(key(one), built(one, artifact)),
        lambda: farm.leases.resume(key(one)),
    ):
        with pytest.raises(LeaseLost):
            await late()
    assert await farm.claim("anvil") == []
    for _ in range(20):
        await farm.claimed("bellows")
        await farm.builders.disable("bellows")
        await farm.builders.enable("bellows")
    assert (await farm.claimed("bellows")).attempt == 22
    farm.clock.turn(3 * farm.settings.heartbeat + 1)
    await farm.leases.sweep()
    # Lost once: the first wait, and no end of patience.
    assert (await farm.builds.show(one.build)).state is State.READY


async def test_a_disabled_builder_gets_nothing_until_it_is_enabled(farm: Farm) -> None:
    await farm.claim("anvil", free=0)
    await farm.builders.disable("anvil")
    assert await farm.claim("anvil") == []
    assert (await farm.builds.show(1)).why == "The only builder that could take it, anvil, is disabled."
    await farm.builders.enable("anvil")
    assert len(await farm.claim("anvil")) == 1
    with pytest.raises(NotFound, match="no builder 'unknown'"):
        await farm.builders.disable("unknown")


async def test_a_builder_that_was_away_when_it_was_disabled_takes_nothing_up_again(farm: Farm) -> None:
    one = await farm.claimed("anvil")
    farm.clock.turn(3 * farm.settings.heartbeat + 1)
    await farm.leases.sweep()
    await farm.builders.disable("anvil")
    with pytest.raises(LeaseLost):
        await farm.leases.resume(key(one))
    await farm.builders.enable("anvil")
    assert (await farm.leases.resume(key(one))).attempt == 2


async def test_what_a_disabled_builder_had_delivered_is_published(farm: Farm) -> None:
    one = await farm.claimed("anvil")
    await farm.build(one)
    await farm.builders.disable("anvil")
    assert (await farm.builds.show(one.build)).state is State.PUBLISHING
