"""Builders that stop, and builders that come back too late: what becomes of their builds; on both databases."""

from pathlib import Path

import pytest

from quarters.model.build import Outcome, State
from quarters.model.errors import LeaseLost
from quarters.protocol.builds import Finish, Heartbeat, LeaseKey
from quarters.storage.database import Database
from tests.contracts.farm import Farm, key, recipe

HANDED_BACK = Finish(outcome=Outcome.HANDED_BACK, steps=(), message="The builder anvil was told to stop.")


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> Farm:
    farm = Farm(database, tmp_path)
    await farm.begin(recipe("lib"))
    await farm.ask("lib")
    return farm


async def lose(farm: Farm) -> None:
    """Let all leases run out."""
    farm.clock.turn(3 * farm.settings.heartbeat + 1)
    await farm.leases.sweep()


async def test_a_build_that_is_handed_back_can_be_claimed_at_once_by_anybody(farm: Farm) -> None:
    one = await farm.claimed("anvil")
    await farm.leases.finish(key(one), HANDED_BACK)
    await farm.leases.finish(key(one), HANDED_BACK)
    waiting = await farm.builds.show(one.build)
    assert (waiting.state, waiting.builder, waiting.reason) == (State.READY, None, None)
    assert waiting.message == HANDED_BACK.message
    again = await farm.claimed("anvil")
    assert (again.build, again.attempt) == (one.build, 2)
    with pytest.raises(LeaseLost):
        await farm.leases.heartbeat(key(one), Heartbeat())


async def test_handing_back_counts_as_no_try(farm: Farm) -> None:
    for _ in range(20):
        await farm.leases.finish(key(await farm.claimed()), HANDED_BACK)
    await farm.claimed()
    await lose(farm)
    build = await farm.builds.show(1)
    # The first wait of a lost build, as if it had never been given out before.
    assert build.state is State.READY
    farm.clock.turn(3)
    assert (await farm.claimed("bellows")).attempt == 22


async def test_who_comes_back_too_late_gets_its_build_again_if_nobody_has_begun_it(farm: Farm) -> None:
    one = await farm.claimed()
    await lose(farm)
    with pytest.raises(LeaseLost):
        await farm.leases.heartbeat(key(one), Heartbeat())
    resumed = await farm.leases.resume(key(one))
    assert (resumed.build, resumed.attempt) == (one.build, 2)
    # The answer may be lost on the way.
    assert await farm.leases.resume(key(one)) == resumed
    await farm.build(resumed)
    assert (await farm.builds.show(one.build)).state is State.PUBLISHING
    with pytest.raises(LeaseLost):
        await farm.leases.resume(key(one))


async def test_what_somebody_else_builds_or_has_built_is_not_given_back(farm: Farm) -> None:
    one = await farm.claimed("anvil")
    await lose(farm)
    farm.clock.turn(3)
    other = await farm.claimed("bellows")
    for _ in range(2):
        with pytest.raises(LeaseLost):
            await farm.leases.resume(key(one))
        await lose(farm)
    with pytest.raises(LeaseLost):
        await farm.leases.resume(key(one))
    assert (await farm.leases.resume(key(other))).attempt == 3


async def test_a_lease_that_stands_or_was_never_given_is_not_resumed(farm: Farm) -> None:
    one = await farm.claimed()
    for wrong in (key(one), LeaseKey(one.build, 1, "forged"), LeaseKey(one.build, 7, one.lease)):
        with pytest.raises(LeaseLost):
            await farm.leases.resume(wrong)
    await farm.leases.finish(key(one), HANDED_BACK)
    with pytest.raises(LeaseLost):
        await farm.leases.resume(key(one))
