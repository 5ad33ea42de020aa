"""Builds that followed upstreams, triggers and packages of upstream repositories ask for; on both databases."""

from pathlib import Path

import msgspec
import pytest

from quarters.model.build import Cause, State
from quarters.model.recipe import Configuration, SourcedRecipe
from quarters.model.repository import Published, Repository, Upstream
from quarters.model.updates import UpdateState
from quarters.protocol.resources import BuildFilter
from quarters.scheduler.renewals import Renewals
from quarters.storage import updates, upstreams
from quarters.storage.database import Database
from quarters.storage.upstreams import Known
from tests.contracts.farm import FORMATS, Farm, recipe

CORE = Upstream("core", "https://mirror.example/$repo/$arch")


def configured(sourced: SourcedRecipe, *, dynamic: bool = False, **settings: object) -> SourcedRecipe:
    assert sourced.recipe is not None
    configuration = msgspec.convert(settings, Configuration)
    changed = msgspec.structs.replace(sourced.recipe, configuration=configuration, dynamic_version=dynamic)
    return msgspec.structs.replace(sourced, recipe=changed)


class House:
    """A farm whose repository has the upstream `core`, and the loop."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.renewals = Renewals(
            farm.database, farm.wakeups, farm.upstreams, FORMATS, farm.settings, farm.clock
        )

    async def upstream(self, **versions: str) -> None:
        """What `core` holds now."""
        self.farm.clock.turn(60)
        held = [Published(name=name, version=version) for name, version in versions.items()]
        known = Known(CORE, "x86_64")
        now = self.farm.clock()
        await self.farm.database.write(lambda it: upstreams.put(it, "extra", known, held, str(now), now))

    async def want(self, path: str, detail: str) -> None:
        """What a run over upstreams writes down."""
        wish = UpdateState(path=path, cause=Cause.SCHEDULE, detail=detail)
        await self.farm.database.write(updates.want, "tree", [wish])

    async def builds(self) -> list[tuple[str, str, Cause]]:
        """Those that are open."""
        found = (await self.farm.builds.list(BuildFilter())).items
        return sorted((it.pkgbase, it.version, it.cause) for it in found if it.state is State.READY)


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    """Recipes that are built and published already, all of them."""
    farm = Farm(database, tmp_path)
    repository = Repository(name="extra", checks=False, upstreams=(CORE,))
    await farm.begin(
        configured(recipe("linked"), rebuild_on=("icu", "boost")),
        configured(recipe("moving"), dynamic=True),
        configured(recipe("fixed")),
        configured(recipe("slow"), dynamic=True, trigger="daily"),
        repository=repository,
    )
    house = House(farm)
    await house.upstream(icu="74-1", glibc="2-1")
    return house


async def test_a_recipe_with_a_trigger_is_not_built_when_it_changes_but_when_that_fires(house: House) -> None:
    await house.farm.requests.plan_sources()
    assert [name for name, _, _ in await house.builds()] == ["fixed", "linked", "moving"]
    await house.want("slow", "trigger daily")
    await house.renewals.round()
    assert ("slow", "1-1", Cause.SCHEDULE) in await house.builds()
    count = len(await house.builds())
    await house.renewals.round()
    assert len(await house.builds()) == count


async def test_any_new_version_of_a_named_package_has_a_recipe_built_again_once(house: House) -> None:
    await house.renewals.round()
    assert await house.builds() == []
    await house.upstream(icu="74-2", glibc="2-2")
    await house.renewals.round()
    assert await house.builds() == [("linked", "1-1", Cause.REBUILD)]
    await house.renewals.round()
    assert len(await house.builds()) == 1


async def test_a_database_that_lacks_a_package_for_a_while_rebuilds_nothing(house: House) -> None:
    await house.renewals.round()
    await house.upstream(glibc="2-1")
    await house.renewals.round()
    await house.upstream(icu="74-1", boost="1-1")
    await house.renewals.round()
    assert await house.builds() == []
    await house.upstream(icu="75-1", boost="1-1")
    await House(house.farm).renewals.round()
    assert [name for name, _, _ in await house.builds()] == ["linked"]


async def test_what_moved_is_built_and_a_folder_that_is_gone_is_nothing_to_mind(house: House) -> None:
    await house.want("moving", "https://example.org moved from a to b")
    await house.want("fixed", "https://example.org moved from a to b")
    await house.want("gone", "https://example.org moved from a to b")
    await house.renewals.round()
    assert [(name, cause) for name, _, cause in await house.builds()] == [
        ("fixed", Cause.SCHEDULE),
        ("moving", Cause.SCHEDULE),
    ]
    assert await house.farm.database.read(updates.wanting) == []
