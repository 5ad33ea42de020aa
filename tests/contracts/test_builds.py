"""How builds end and begin again, and what that means for those that need them; the same on both databases."""

from pathlib import Path

import pytest

from quarters.model.build import Event, Reason, State
from quarters.model.errors import Conflict, NotFound, StateChangeRefused
from quarters.protocol.resources import BuildFilter
from quarters.storage import builds, events, needs
from quarters.storage.database import Database
from tests.contracts.farm import Farm, recipe

CHAIN = (recipe("lib"), recipe("tool", "lib"), recipe("app", "tool"))


@pytest.fixture
def farm(database: Database, tmp_path: Path) -> Farm:
    return Farm(database, tmp_path)


async def test_a_chain_is_built_one_after_the_other(farm: Farm) -> None:
    await farm.begin(*CHAIN)
    await farm.ask("app")
    assert await farm.states() == {"lib": State.READY, "tool": State.WAITING, "app": State.WAITING}
    await farm.run("lib", "tool", "app")
    assert set((await farm.states()).values()) == {State.SUCCEEDED}
    assert await farm.claim() == []


async def test_a_failure_blocks_everything_behind_it_and_says_by_what(farm: Farm) -> None:
    await farm.begin(*CHAIN)
    requested = await farm.ask("app")
    await farm.fail(await farm.claimed())
    assert await farm.states() == {"lib": State.FAILED, "tool": State.BLOCKED, "app": State.BLOCKED}
    for number in requested.builds[1:]:
        assert (await farm.builds.show(number)).message == (
            f"Needs lib 1-1 (build {requested.builds[0]}), which failed (build_failed)."
        )
    assert "lib" in (await farm.builds.show(requested.builds[1])).why


async def test_what_a_failure_blocked_goes_on_by_itself_after_a_retry_that_succeeds(farm: Farm) -> None:
    await farm.begin(*CHAIN)
    requested = await farm.ask("app")
    await farm.fail(await farm.claimed())
    await farm.builds.retry(requested.builds[0], "ann")
    assert await farm.states() == {"lib": State.READY, "tool": State.WAITING, "app": State.WAITING}
    await farm.run("lib", "tool", "app")


async def test_a_build_with_two_broken_prerequisites_stays_blocked_until_both_are_mended(farm: Farm) -> None:
    await farm.begin(recipe("a"), recipe("b"), recipe("top", "a", "b"))
    requested = await farm.ask("top")
    first, second = await farm.claim(free=2)
    await farm.fail(first)
    await farm.fail(second)
    await farm.builds.retry(first.build, "ann")
    assert (await farm.states())["top"] is State.BLOCKED
    assert f"build {second.build}" in (await farm.builds.show(requested.builds[-1])).message
    await farm.builds.retry(second.build, "ann")
    assert (await farm.states())["top"] is State.WAITING


async def test_a_cancelled_build_blocks_what_needs_it(farm: Farm) -> None:
    await farm.begin(*CHAIN)
    requested = await farm.ask("app")
    shown = await farm.builds.cancel(requested.builds[0], "ann")
    assert shown.state is State.CANCELLED
    assert (await farm.states())["app"] is State.BLOCKED
    with pytest.raises(StateChangeRefused, match="A cancelled build cannot be cancelled"):
        await farm.builds.cancel(requested.builds[0], "ann")


async def test_an_old_failure_is_not_retried_beside_a_newer_build(farm: Farm) -> None:
    await farm.begin(recipe("lib"))
    failed = (await farm.ask("lib")).builds[0]
    await farm.fail(await farm.claimed())
    newer = (await farm.ask("lib")).builds[0]
    with pytest.raises(Conflict, match=f"Build {newer} of lib is already queued"):
        await farm.builds.retry(failed, "ann")


async def test_a_change_that_the_table_does_not_know_changes_nothing(farm: Farm) -> None:
    await farm.begin(recipe("lib"))
    build = (await farm.ask("lib")).builds[0]
    before = await farm.database.read(events.newest)
    with pytest.raises(StateChangeRefused):
        await farm.database.write(builds.transition, build, Event.PUBLISHED, farm.clock())
    assert (await farm.builds.show(build)).state is State.READY
    assert await farm.database.read(events.newest) == before


async def test_every_change_of_state_is_an_event(farm: Farm) -> None:
    await farm.begin(recipe("lib"))
    build = (await farm.ask("lib")).builds[0]
    await farm.run("lib")
    kinds = [one.kind for one in await farm.database.read(events.after, 0) if one.subject == str(build)]
    assert kinds == ["build.ready", "build.running", "build.publishing", "build.succeeded"]


async def test_publishing_lists_what_is_uploaded_with_its_artifacts(farm: Farm) -> None:
    await farm.begin(recipe("lib"))
    await farm.ask("lib")
    await farm.build(await farm.claimed())
    (uploaded,) = await farm.database.read(builds.publishing)
    assert (uploaded.build.pkgbase, uploaded.recipe.version, uploaded.path) == ("lib", "1-1", "lib")
    assert [(it.file_name, it.size, it.version) for it in uploaded.artifacts] == [
        ("lib-1-1-x86_64.pkg.tar.zst", 7, "1-1")
    ]


async def test_a_rejected_publish_fails_the_build_and_blocks_what_needs_it(farm: Farm) -> None:
    await farm.begin(*CHAIN)
    await farm.ask("app")
    one = await farm.claimed()
    await farm.build(one)
    await farm.database.write(
        builds.fail, one.build, Reason.PUBLISH_REJECTED, "It is another version.", farm.clock()
    )
    shown = await farm.builds.show(one.build)
    assert (shown.state, shown.reason) == (State.FAILED, Reason.PUBLISH_REJECTED)
    assert (await farm.states())["tool"] is State.BLOCKED


async def test_the_list_is_newest_first_filtered_and_in_pages(farm: Farm) -> None:
    await farm.begin(*CHAIN)
    numbers = (await farm.ask("app")).builds
    first = await farm.builds.list(BuildFilter(), limit=2)
    assert [one.id for one in first.items] == [numbers[2], numbers[1]]
    rest = await farm.builds.list(BuildFilter(), limit=2, cursor=first.cursor)
    assert ([one.id for one in rest.items], rest.cursor) == ([numbers[0]], None)
    ready = await farm.builds.list(BuildFilter(state=State.READY, repository="extra", requester="ann"))
    assert [one.pkgbase for one in ready.items] == ["lib"]
    farm.clock.turn(1)
    assert (await farm.builds.list(BuildFilter(since=farm.clock()))).items == ()


async def test_a_build_that_is_not_there_is_not_found(farm: Farm) -> None:
    with pytest.raises(NotFound, match="There is no build 7"):
        await farm.builds.show(7)


async def test_thousands_of_dependents_are_blocked_and_freed_in_a_moment(farm: Farm) -> None:
    wide = [recipe(f"p{n}", "lib", *([f"p{n - 100}"] if n >= 100 else [])) for n in range(1500)]
    await farm.begin(recipe("lib"), *wide)
    requested = await farm.ask(*(f"p{n}" for n in range(1500)))
    assert len(requested.builds) == 1501
    lib = await farm.claimed()
    assert lib.pkgbase == "lib"
    await farm.fail(lib)
    states = list((await farm.states()).values())
    assert states.count(State.BLOCKED) == 1500
    await farm.builds.retry(lib.build, "ann")
    await farm.run("lib")
    states = list((await farm.states()).values())
    assert (states.count(State.READY), states.count(State.WAITING)) == (100, 1400)
    assert len(await farm.database.read(needs.graph, "extra", "x86_64")) == 1500
