"""Builds go on when what they need comes, and are tried again when it becomes another; the same on both databases."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from quarters.model.build import Cause, Outcome, Reason, State
from quarters.model.recipe import Need, NeedKind, SourcedRecipe
from quarters.model.repository import Repository
from quarters.planning.lacks import Lack
from quarters.protocol.builds import Assignment, Finish
from quarters.protocol.resources import BuildFilter, BuildView
from quarters.scheduler.dependencies import Dependencies
from quarters.storage.database import Database
from tests.contracts.farm import FORMATS, Farm, key, recipe
from tests.mirror import folder


class Market:
    """A farm with an upstream that can be filled, and the loop that follows it."""

    def __init__(self, farm: Farm, root: Path) -> None:
        self.farm = farm
        self.root = root
        self.loop = Dependencies(farm.database, farm.wakeups, FORMATS, farm.settings, farm.clock)

    async def begin(self, *found: SourcedRecipe) -> None:
        upstream = folder(self.root)
        await self.farm.begin(
            *found, repository=Repository(name="extra", checks=False, upstreams=(upstream,))
        )

    async def hold(self, *packages: str) -> None:
        """The upstream has these packages now, and the server learns of it."""
        folder(self.root, *packages)
        self.farm.clock.turn(self.farm.settings.upstream_refresh + 1)
        await self.farm.upstreams.refresh()
        await self.loop.round()

    async def build(self, pkgbase: str) -> BuildView:
        (newest, *_) = (await self.farm.builds.list(BuildFilter(pkgbase=pkgbase))).items
        return await self.farm.builds.show(newest.id)


@pytest.fixture
def market(database: Database, tmp_path: Path) -> Market:
    return Market(Farm(database, tmp_path / "farm"), tmp_path / "upstream")


def _needing(pkgbase: str, text: str) -> SourcedRecipe:
    sourced = recipe(pkgbase)
    assert sourced.recipe is not None
    need = Need(FORMATS["pacman"].parse_dependency(text), NeedKind.MAKEDEPENDS)
    return msgspec.structs.replace(sourced, recipe=msgspec.structs.replace(sourced.recipe, needs=(need,)))


async def _missing(farm: Farm, one: Assignment, dependency: str) -> None:
    """A builder says that its mirror has not got something."""
    said = Finish(
        outcome=Outcome.FAILED,
        steps=(),
        reason=Reason.DEPENDENCY_MISSING,
        message=f"No repository has {dependency}.",
        missing=dependency,
    )
    await farm.leases.finish(key(one), said)


@pytest.mark.parametrize(
    ("needed", "before", "after"),
    [
        ("glibc>=2.40", "glibc=2.39-1", "glibc=2.40-1"),
        ("glibc=2.40", "glibc=2.39-1", "glibc=2.40-2"),
        ("glibc>2.39", "glibc=2.39-1", "glibc=2.40-1"),
        ("libicuuc.so=78-64", "icu=76.1-1:libicuuc.so=76-64", "icu=78.1-1:libicuuc.so=78-64"),
    ],
)
async def test_what_upstream_has_not_yet_is_waited_for_and_goes_on_by_itself(
    market: Market, needed: str, before: str, after: str
) -> None:
    await market.begin(_needing("app", needed), recipe("tool", "app"))
    await market.hold(before)
    asked = await market.farm.ask("tool")
    assert asked.problems == ()
    app = await market.build("app")
    assert app.state is State.WAITING
    (lack,) = app.lacks
    assert (lack.dependency, lack.kind) == (needed, NeedKind.MAKEDEPENDS)
    assert f"It waits for {needed}, of which upstream has only {lack.there}" in app.why
    assert lack.there in before
    assert await market.farm.claim() == []
    await market.hold(after)
    assert (await market.build("app")).lacks == ()
    await market.farm.run("app", "tool")


@pytest.mark.parametrize("needed", ["glibc<2", "glibc=2.38", "nowhere>=1", "nowhere"])
async def test_what_no_upstream_will_bring_is_a_problem(market: Market, needed: str) -> None:
    await market.begin(_needing("app", needed))
    await market.hold("glibc=2.39-1")
    asked = await market.farm.ask("app")
    assert asked.builds == ()
    assert any("Nothing satisfies" in problem for problem in asked.problems)


async def test_a_step_on_the_way_is_told_and_waited_on(market: Market) -> None:
    await market.begin(_needing("app", "glibc>=2.41"))
    await market.hold("glibc=2.39-1")
    await market.farm.ask("app")
    await market.hold("glibc=2.40-1")
    app = await market.build("app")
    assert (app.state, app.lacks[0].there) == (State.WAITING, "2.40-1")


async def test_asking_again_after_the_recipe_needs_less_lets_it_go_on(market: Market) -> None:
    await market.begin(_needing("app", "glibc>=2.41"))
    await market.hold("glibc=2.39-1")
    await market.farm.ask("app")
    await market.farm.have(_needing("app", "glibc>=2.39"))
    await market.farm.ask("app")
    assert (await market.farm.states())["app"] is State.READY


async def test_a_dependency_that_the_builders_mirror_lacks_and_the_upstream_has_is_tried_again_later(
    market: Market,
) -> None:
    farm = market.farm
    await market.begin(_needing("app", "glibc>=2.40"))
    await market.hold("glibc=2.40-1")
    await farm.ask("app")
    await _missing(farm, await farm.claimed(), "glibc>=2.40")
    assert (await market.build("app")).state is State.WAITING
    await market.loop.round()
    app = await market.build("app")
    assert (app.state, app.reason) == (State.READY, Reason.DEPENDENCY_MISSING)
    assert app.not_before == farm.clock() + timedelta(minutes=1)
    assert await farm.claim() == []
    farm.clock.turn(61)
    await farm.build(await farm.claimed())


async def test_a_dependency_that_the_upstream_took_back_is_waited_for(market: Market) -> None:
    farm = market.farm
    await market.begin(_needing("app", "glibc>=2.40"))
    await market.hold("glibc=2.40-1")
    await farm.ask("app")
    one = await farm.claimed()
    await market.hold("glibc=2.39-1")
    await _missing(farm, one, "glibc>=2.40")
    await market.loop.round()
    app = await market.build("app")
    assert (app.state, app.lacks) == (
        State.WAITING,
        (Lack(dependency="glibc>=2.40", kind=NeedKind.MAKEDEPENDS, there="2.39-1"),),
    )
    await market.hold("glibc=2.40-2")
    farm.clock.turn(61)
    await farm.build(await farm.claimed())


async def test_what_a_builder_misses_for_good_fails_after_some_tries(market: Market) -> None:
    farm = market.farm
    await market.begin(recipe("app"))
    await farm.ask("app")
    for _ in range(6):
        await _missing(farm, await farm.claimed(), "nonsense (")
        await market.loop.round()
        farm.clock.turn(86_400)
    app = await market.build("app")
    assert (app.state, app.reason, app.attempt) == (State.FAILED, Reason.DEPENDENCY_MISSING, 6)


async def _failed(market: Market) -> None:
    """A build that needs zlib has failed with the zlib of upstream."""
    await market.begin(recipe("app", "zlib"), recipe("other"))
    await market.hold("zlib=1.3-1", "bash=5-1")
    await market.farm.ask("app")
    one = await market.farm.claimed()
    await market.loop.round()
    await market.farm.fail(one)
    await market.loop.round()


async def test_what_failed_is_tried_again_when_a_dependency_becomes_another(market: Market) -> None:
    await _failed(market)
    await market.hold("zlib=1.3.1-1", "bash=5-1")
    app = await market.build("app")
    assert (app.state, app.cause) == (State.READY, Cause.RETRY)
    assert app.grounds.detail.startswith(
        "tried again because zlib 1.3.1-1 took the place of zlib 1.3-1; at first: "
    )


async def test_what_failed_is_left_alone_when_something_else_changes(market: Market) -> None:
    await _failed(market)
    await market.hold("zlib=1.3-1", "bash=6-1")
    await market.farm.requests.plan_sources()
    assert (await market.build("app")).state is State.FAILED


async def test_a_dependency_that_changed_while_the_build_ran_is_a_reason_too(market: Market) -> None:
    await market.begin(recipe("app", "zlib"))
    await market.hold("zlib=1.3-1")
    await market.farm.ask("app")
    one = await market.farm.claimed()
    await market.loop.round()
    await market.hold("zlib=1.3.1-1")
    await market.farm.fail(one)
    await market.loop.round()
    assert (await market.build("app")).state is State.READY


async def test_what_failed_again_waits_for_the_next_change(market: Market) -> None:
    await _failed(market)
    await market.hold("zlib=1.3.1-1")
    await market.farm.fail(await market.farm.claimed())
    await market.loop.round()
    await market.loop.round()
    assert (await market.build("app")).state is State.FAILED
    await market.hold("zlib=1.3.2-1")
    assert (await market.build("app")).state is State.READY
