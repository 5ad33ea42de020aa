"""Sources and recipes by the clock: what a schedule builds, and that it neither doubles nor skips; on both databases."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, update

from quarters.model.build import Cause, Outcome, State
from quarters.model.errors import Invalid, NotFound
from quarters.model.recipe import SourcedRecipe
from quarters.protocol.builds import Finish
from quarters.protocol.resources import BuildFilter, NewSchedule
from quarters.scheduler.schedules import Schedules
from quarters.storage import sources
from quarters.storage.database import Database
from quarters.storage.schema import schedules as schedule_rows
from quarters.storage.schema import sources as source_rows
from tests.contracts.farm import FORMATS, Farm, key, recipe

HOUR = 3600


class Office:
    """A farm with the loop that follows schedules, and a source that is synced when that asks for it."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.schedules = self.restarted()

    def restarted(self) -> Schedules:
        """The loop as it is after a restart of the server: what it knows is in rows."""
        farm = self.farm
        return Schedules(farm.database, farm.wakeups, farm.upstreams, FORMATS, farm.settings, farm.clock)

    async def put(self, expression: str, pkgbase: str = "", timezone: str = "UTC") -> None:
        new = NewSchedule(source="tree", pkgbase=pkgbase, expression=expression, timezone=timezone)
        await self.schedules.put(new)

    async def synced(self) -> None:
        """The source is read, as somebody wished."""
        await self.farm.database.write(sources.no_longer_wanted, "tree", self.farm.clock())

    async def round(self) -> None:
        """Look at the clock, sync, and plan."""
        await self.schedules.round()
        await self.synced()
        await self.schedules.round()

    async def builds(self) -> list[tuple[str, Cause]]:
        found = (await self.farm.builds.list(BuildFilter())).items
        return sorted((it.pkgbase, it.cause) for it in found)


def _dynamic(sourced: SourcedRecipe) -> SourcedRecipe:
    assert sourced.recipe is not None
    return msgspec.structs.replace(
        sourced, recipe=msgspec.structs.replace(sourced.recipe, dynamic_version=True)
    )


@pytest.fixture
async def office(database: Database, tmp_path: Path) -> Office:
    """A source at noon that builds nothing by itself: `plain`, and `moving`, which has a pkgver()."""
    farm = Farm(database, tmp_path)
    await farm.begin(recipe("plain"), _dynamic(recipe("moving")))

    def on_request(connection: Connection) -> None:
        connection.execute(update(source_rows).values(automatic=False))

    await database.write(on_request)
    return Office(farm)


async def test_nothing_happens_before_its_time_and_all_that_is_outdated_is_built_then(office: Office) -> None:
    await office.put("0 14")
    office.farm.clock.turn(2 * HOUR - 1)
    await office.round()
    assert await office.builds() == []
    office.farm.clock.turn(1)
    await office.round()
    assert await office.builds() == [("moving", Cause.SCHEDULE), ("plain", Cause.SCHEDULE)]
    (first, _) = (await office.farm.builds.list(BuildFilter())).items
    assert first.requester == "schedule:tree"


async def test_builds_wait_for_the_sync_that_the_schedule_asked_for(office: Office) -> None:
    await office.put("0 14")
    office.farm.clock.turn(2 * HOUR)
    await office.schedules.round()
    await office.schedules.round()
    assert await office.builds() == []
    await office.farm.have(recipe("fresh"))
    await office.synced()
    await office.schedules.round()
    assert "fresh" in await office.farm.states()


async def test_a_time_builds_once_however_often_the_server_looks_or_is_restarted(office: Office) -> None:
    await office.put("0 14")
    office.farm.clock.turn(2 * HOUR)
    await office.schedules.round()
    office.schedules = office.restarted()
    await office.round()
    office.schedules = office.restarted()
    await office.round()
    assert len(await office.builds()) == 2


async def test_what_was_missed_while_the_server_was_down_fires_once(office: Office) -> None:
    await office.put("0 * * * *")
    office.farm.clock.turn(30 * HOUR + 60)
    await office.round()
    (entry,) = (await office.schedules.list(10, None)).items
    assert entry.fired_at == office.farm.clock()
    assert entry.next_at == office.farm.clock() + timedelta(minutes=59)
    await office.round()
    assert len(await office.builds()) == 2


async def test_a_clock_that_steps_back_does_not_fire_again(office: Office) -> None:
    await office.put("0 14")
    office.farm.clock.turn(2 * HOUR)
    await office.round()
    await office.farm.run("moving", "plain")
    office.farm.clock.turn(-HOUR)
    await office.round()
    office.farm.clock.turn(HOUR)
    await office.round()
    assert len(await office.builds()) == 2


@pytest.mark.parametrize("restarted", [True, False])
async def test_a_time_that_comes_from_a_clock_that_was_far_ahead_is_worked_out_anew(
    office: Office, restarted: bool
) -> None:
    office.farm.clock.turn(1000 * 24 * HOUR)
    await office.put("0 14")
    await office.round()
    office.farm.clock.turn(-1000 * 24 * HOUR)
    if restarted:
        office.schedules = office.restarted()
    await office.round()
    assert await office.builds() == []
    office.farm.clock.turn(2 * HOUR)
    await office.round()
    assert len(await office.builds()) == 2


async def test_what_has_a_pkgver_function_is_built_again_and_skipped_if_nothing_is_new(
    office: Office,
) -> None:
    farm = office.farm
    await office.put("0 14")
    farm.clock.turn(2 * HOUR)
    await office.round()
    for one in await farm.claim(free=2):
        await farm.build(one)
        await farm.publish(one.build)
    farm.clock.turn(24 * HOUR)
    await office.round()
    again = await farm.claimed()
    assert (again.pkgbase, again.bump) == ("moving", 0)
    await farm.leases.finish(key(again), Finish(outcome=Outcome.SKIPPED, steps=()))
    assert (await farm.states())["moving"] is State.SKIPPED


async def test_what_failed_is_tried_by_the_clock_only_if_its_sources_move_on_by_themselves(
    office: Office,
) -> None:
    farm = office.farm
    await office.put("0 14")
    farm.clock.turn(2 * HOUR)
    await office.round()
    for one in await farm.claim(free=2):
        await farm.fail(one)
    farm.clock.turn(24 * HOUR)
    await office.round()
    assert await farm.states() == {"plain": State.FAILED, "moving": State.READY}


async def test_a_recipe_with_a_schedule_of_its_own_is_built_then_and_not_otherwise_by_itself(
    office: Office,
) -> None:
    farm = office.farm

    def automatic(connection: Connection) -> None:
        connection.execute(update(source_rows).values(automatic=True))

    await farm.database.write(automatic)
    await office.put("0 14")
    await office.put("0 18", "plain")
    await farm.requests.plan_sources()
    assert await farm.states() == {"moving": State.READY}
    farm.clock.turn(2 * HOUR)
    await office.round()
    assert await farm.states() == {"moving": State.READY}
    farm.clock.turn(4 * HOUR)
    await office.round()
    assert ("plain", Cause.SCHEDULE) in await office.builds()
    shown = (await farm.builds.list(BuildFilter(pkgbase="plain"))).items[0]
    assert shown.requester == "schedule:tree/plain"


async def test_the_clock_of_the_named_zone_counts(office: Office) -> None:
    await office.put("0 14", timezone="Europe/Brussels")
    office.farm.clock.turn(HOUR)
    await office.round()
    assert len(await office.builds()) == 2


async def test_a_schedule_whose_zone_is_no_more_keeps_no_other_from_firing(office: Office) -> None:
    await office.put("0 13")
    await office.put("0 14", pkgbase="plain")

    def abolish(connection: Connection) -> None:
        whole = schedule_rows.c.pkgbase == ""
        connection.execute(update(schedule_rows).where(whole).values(timezone="Old/Town"))

    await office.farm.database.write(abolish)
    office.farm.clock.turn(2 * HOUR)
    await office.round()
    assert await office.builds() == [("plain", Cause.SCHEDULE)]


async def test_a_disabled_source_is_left_alone_and_catches_up_once(office: Office) -> None:
    def enable(connection: Connection, enabled: bool) -> None:
        connection.execute(update(source_rows).values(enabled=enabled))

    await office.put("0 14")
    await office.farm.database.write(enable, False)
    office.farm.clock.turn(50 * HOUR)
    await office.round()
    assert await office.builds() == []
    await office.farm.database.write(enable, True)
    await office.round()
    assert len(await office.builds()) == 2


async def test_what_cannot_be_scheduled_is_refused_in_words(office: Office) -> None:
    with pytest.raises(Invalid, match="its minute"):
        await office.put("61 3")
    with pytest.raises(Invalid, match="no time zone 'Mars/X'"):
        await office.put("0 3", timezone="Mars/X")
    with pytest.raises(NotFound, match="has a recipe 'nowhere'"):
        await office.put("0 3", "nowhere")
    with pytest.raises(NotFound, match="has no schedule"):
        await office.schedules.remove("tree", "")


async def test_a_schedule_is_replaced_and_removed(office: Office) -> None:
    await office.put("0 14")
    await office.put("0 20")
    assert [it.expression for it in (await office.schedules.list(10, None)).items] == ["0 20"]
    await office.schedules.remove("tree", "")
    office.farm.clock.turn(24 * HOUR)
    await office.round()
    assert await office.builds() == []
