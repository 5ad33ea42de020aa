"""Who is given what, why something is not running, and what is learnt from builds; on both databases."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, select, update
from sqlalchemy.pool import StaticPool

from quarters.model.build import Outcome, Reason
from quarters.model.builder import BuilderState
from quarters.model.recipe import Configuration, SourcedRecipe
from quarters.model.repository import Repository
from quarters.model.size import Size
from quarters.model.source import Source
from quarters.planning.order import PRIORITIES, due
from quarters.protocol.builds import Assignment, ClaimRequest, Finish, Measured
from quarters.protocol.resources import BuildFilter
from quarters.scheduler.settings import SchedulerSettings
from quarters.storage import recipes, repositories, requests, sources
from quarters.storage.database import Database
from quarters.storage.schema import builds as rows
from quarters.storage.schema import metadata
from tests.contracts.farm import Clock, Farm, built, key, recipe

GIB = 1 << 30


@pytest.fixture
def farm(database: Database, tmp_path: Path) -> Farm:
    return Farm(database, tmp_path)


def configured(pkgbase: str, *needs: str, **configuration: object) -> SourcedRecipe:
    """A recipe with a quarters.toml."""
    sourced = recipe(pkgbase, *needs)
    assert sourced.recipe is not None
    wanted = msgspec.convert(configuration, Configuration)
    return msgspec.structs.replace(
        sourced, recipe=msgspec.structs.replace(sourced.recipe, configuration=wanted)
    )


async def claim(farm: Farm, builder: str = "anvil", free: int = 9, **has: int) -> list[Assignment]:
    """A builder that has so much asks for work."""
    request = msgspec.convert(
        {"builder": builder, "arches": ("x86_64",), "slots": 9, "free": free, **has}, ClaimRequest
    )
    return list((await farm.leases.claim(request)).assignments)


async def names(farm: Farm, builder: str = "anvil", free: int = 9, **has: int) -> list[str]:
    return [one.pkgbase for one in await claim(farm, builder, free, **has)]


async def why(farm: Farm, build: int) -> str:
    return (await farm.builds.show(build)).why


async def test_a_repository_runs_no_more_builds_than_it_may(farm: Farm) -> None:
    await farm.begin(
        recipe("a"), recipe("b"), recipe("c"), repository=Repository(name="extra", max_running=2)
    )
    asked = await farm.ask("a", "b", "c")
    first, _ = await claim(farm)
    assert await names(farm, "other") == []
    assert await why(farm, asked.builds[2]) == "The repository extra already runs its 2 builds."
    await farm.build(first)
    assert await names(farm, "other") == ["c"]


async def test_a_source_runs_no_more_builds_than_it_may(farm: Farm) -> None:
    await farm.begin(recipe("a"), recipe("b"))
    await farm.database.write(lambda connection: sources.change(connection, "tree", max_running=1))
    asked = await farm.ask("a", "b")
    assert await names(farm) == ["a"]
    assert await names(farm, "other") == []
    assert await why(farm, asked.builds[1]) == "The source tree already runs its one build."


async def test_a_server_runs_no_more_builds_than_it_may(database: Database, tmp_path: Path) -> None:
    farm = Farm(database, tmp_path, SchedulerSettings(max_running=1))
    await farm.begin(recipe("a"), recipe("b"))
    asked = await farm.ask("a", "b")
    assert await names(farm) == ["a"]
    assert await why(farm, asked.builds[1]) == "The server already runs its one build."


async def test_a_class_is_for_builders_of_that_class_or_a_higher_one(farm: Farm) -> None:
    await farm.begin(configured("heavy", build_class=3), recipe("light"))
    asked = await farm.ask("heavy", "light")
    assert await names(farm, "weak", build_class=1) == ["light"]
    assert (
        await why(farm, asked.builds[0])
        == "It needs class 3; the connected builders for x86_64 have at most 1."
    )
    assert await names(farm, "strong", build_class=4) == ["heavy"]


async def test_a_name_as_class_is_for_that_builder_alone(farm: Farm) -> None:
    await farm.begin(configured("odd", builder="forge"))
    asked = await farm.ask("odd")
    assert await names(farm, "anvil", build_class=9) == []
    assert await why(farm, asked.builds[0]) == "It is for the builder forge, which is not connected."
    assert await names(farm, "forge") == ["odd"]


async def test_builds_share_the_memory_of_a_builder(farm: Farm) -> None:
    await farm.begin(
        configured("a", memory=3 * GIB), configured("b", memory=2 * GIB), configured("c", memory=9 * GIB)
    )
    asked = await farm.ask("a", "b", "c")
    assert await names(farm, memory=4 * GIB) == ["a"]
    assert await why(farm, asked.builds[1]) == (
        "It needs 2 GiB of memory, of which no builder has more than 1 GiB free at the moment."
    )
    assert await why(farm, asked.builds[2]) == (
        "It needs 9 GiB of memory; the largest builder that could take it has 4 GiB."
    )
    assert await names(farm, memory=4 * GIB) == []
    assert await names(farm, "large", memory=16 * GIB, disk=4 * GIB) == ["b", "c"]


async def test_a_build_that_was_never_built_is_assumed_to_need_something(
    database: Database, tmp_path: Path
) -> None:
    farm = Farm(database, tmp_path, SchedulerSettings(assumed_disk=Size(2 * GIB)))
    await farm.begin(recipe("a"), recipe("b"), configured("c", disk=1))
    await farm.ask("a", "b", "c")
    assert await names(farm, disk=3 * GIB) == ["a", "c"]
    assert await names(farm, "tiny", disk=GIB) == ["b"]


async def test_what_a_package_used_is_what_its_next_build_needs(farm: Farm) -> None:
    await farm.begin(recipe("lib"), recipe("app", "lib"))
    await farm.ask("app")
    one = await farm.claimed()
    artifact = await farm.upload(one)
    used = Measured(seconds=1000, memory=3 * GIB, disk=GIB)
    await farm.leases.finish(key(one), msgspec.structs.replace(built(one, artifact), measured=used))
    await farm.publish(one.build)
    (again,) = (await farm.ask("lib", force=True)).builds
    shown = await farm.builds.show(again)
    assert (shown.duration, shown.memory, shown.disk) == (1000, 3 * GIB, GIB)
    assert await names(farm, memory=2 * GIB) == ["app"]
    assert await names(farm, memory=4 * GIB) == ["lib"]


async def test_a_build_that_ran_out_of_memory_goes_to_a_larger_builder(farm: Farm) -> None:
    await farm.begin(recipe("lib"))
    await names(farm, "large", memory=8 * GIB)
    await _run_out_of_memory(farm)
    farm.clock.turn(86_400)
    assert await names(farm, memory=4 * GIB) == []
    assert await names(farm, "large", memory=8 * GIB) == ["lib"]


async def test_a_build_that_ran_out_of_memory_has_the_largest_builder_there_is_for_itself(farm: Farm) -> None:
    await farm.begin(recipe("lib"), configured("other", memory=1))
    await _run_out_of_memory(farm)
    (lib, *_) = (await farm.builds.list(BuildFilter(pkgbase="lib"))).items
    assert lib.memory == 4 * GIB
    assert await names(farm, memory=4 * GIB) == ["lib"]
    (other,) = (await farm.ask("other")).builds
    assert await names(farm, memory=4 * GIB) == []
    assert "no builder has more than 0 bytes free" in await why(farm, other)


async def test_small_builds_do_not_keep_a_large_one_waiting_for_ever(farm: Farm) -> None:
    small = [configured(name, memory=2 * GIB) for name in ("a", "b", "c", "d")]
    await farm.begin(configured("large", memory=7 * GIB), *small)
    await farm.ask("a", "b", "c", "d", priority=1)
    held = await claim(farm, memory=8 * GIB)
    await farm.ask("large")
    farm.clock.turn(1800)
    await farm.fail(held[0])
    again = (await farm.ask("a")).builds[0]
    assert await names(farm, memory=8 * GIB) == []
    assert await why(farm, again) == "It is ready for the builder anvil; a more urgent build goes first."
    for one in held[1:]:
        await farm.fail(one)
    assert await names(farm, memory=8 * GIB) == ["large"]


async def test_a_recipe_that_asks_for_more_than_any_builder_has_waits_for_one(farm: Farm) -> None:
    await farm.begin(configured("huge", memory=9 * GIB))
    assert await names(farm, memory=4 * GIB) == []
    await farm.ask("huge")
    assert await names(farm, memory=4 * GIB) == []


async def _run_out_of_memory(farm: Farm) -> None:
    """The builder anvil, which has 4 GiB, uses all of that for `lib`, and a person tries again."""
    await farm.ask("lib")
    (one,) = await claim(farm, memory=4 * GIB)
    said = Finish(
        outcome=Outcome.FAILED, steps=(), reason=Reason.OUT_OF_MEMORY, measured=Measured(memory=4 * GIB)
    )
    await farm.leases.finish(key(one), said)
    await farm.builds.retry(one.build, "ann")


async def test_the_longest_measured_path_goes_first(farm: Farm) -> None:
    await farm.begin(recipe("a"), recipe("b"), recipe("slow"), recipe("end", "b"))
    await farm.ask("slow")
    (one,) = await claim(farm)
    said = Finish(outcome=Outcome.TIMED_OUT, steps=(), measured=Measured(seconds=10_000))
    await farm.leases.finish(key(one), said)
    await farm.builds.cancel((await farm.ask("slow")).builds[0], "ann")
    await farm.ask("a", "b", "slow", "end")
    assert await names(farm) == ["slow", "b", "a"]


async def test_a_source_that_had_everything_lets_others_come_first(farm: Farm) -> None:
    few = msgspec.structs.replace(
        recipe("few"), origin=msgspec.structs.replace(recipe("few").origin, source="small")
    )
    await farm.begin(*(recipe(f"p{number}") for number in range(6)))

    def second(connection: Connection) -> None:
        small = Source(name="small", kind="tree", location="/small", repository="extra", automatic=False)
        sources.add(connection, small)
        recipes.put(connection, [few])

    await farm.database.write(second)
    asked = await farm.ask(*(f"p{number}" for number in range(6)))
    farm.clock.turn(3600)
    (late,) = (await farm.ask("few")).builds
    assert await names(farm, free=1) == ["p0"]
    assert await why(farm, asked.builds[1]) == (
        "It is ready for the builder anvil; a build of another source goes first, because tree had more than its share."
    )
    assert await why(farm, late) == "It is ready for the builder anvil."
    assert await names(farm, free=2) == ["few", "p1"]


async def fail(farm: Farm, builder: str, reason: Reason = Reason.BUILD_FAILED) -> str:
    (one,) = await claim(farm, builder, free=1)
    await farm.fail(one, reason)
    return one.pkgbase


async def test_a_builder_that_keeps_failing_what_others_build_is_quarantined(farm: Farm) -> None:
    await farm.begin(recipe("a"), recipe("b"), recipe("c"), recipe("d"))
    asked = await farm.ask("a", "b", "c", "d")
    for _ in range(3):
        await fail(farm, "broken", Reason.DEPENDENCY_MISSING)
        farm.clock.turn(61)
        for one in await claim(farm, "sound", free=1):
            await farm.build(one)
            await farm.publish(one.build)
    shown = await farm.builders.show("broken")
    assert shown.quarantined_until == farm.clock() + timedelta(minutes=10)
    assert await names(farm, "broken") == []
    await farm.builders.drain("sound")
    assert await why(farm, asked.builds[3]) == (
        f"The builder broken is in quarantine until {shown.quarantined_until:%Y-%m-%d %H:%M:%S} UTC; "
        "it failed what others build."
    )
    await farm.builders.enable("broken")
    assert (await farm.builders.show("broken")).quarantined_until is None
    assert await names(farm, "broken") == ["d"]


async def test_a_build_that_passed_its_own_limits_is_not_held_against_its_builder(farm: Farm) -> None:
    await farm.begin(*(recipe(name) for name in "abcd"))
    await farm.ask(*"abcd")
    for _ in range(3):
        await fail(farm, "narrow", Reason.DISK_FULL)
        farm.clock.turn(86_400)
        for one in await claim(farm, "wide", free=1):
            await farm.build(one)
            await farm.publish(one.build)
    shown = await farm.builders.show("narrow")
    assert (shown.strikes, shown.quarantines) == (0, 0)


async def test_a_builder_whose_disk_is_full_before_it_builds_is_quarantined(farm: Farm) -> None:
    await farm.begin(*(recipe(name) for name in "abc"))
    await farm.ask(*"abc")
    for _ in range(3):
        (one,) = await claim(farm, free=1)
        said = Finish(outcome=Outcome.FAILED, steps=(), reason=Reason.DISK_FULL, machine_full=True)
        await farm.leases.finish(key(one), said)
    assert (await farm.builders.show("anvil")).quarantines == 1


async def test_a_quarantine_ends_by_itself_and_a_success_forgives(farm: Farm) -> None:
    await farm.begin(recipe("a"), recipe("b"), recipe("c"), recipe("d"))
    await farm.ask("a", "b", "c", "d")
    for _ in range(3):
        await fail(farm, "anvil", Reason.INTERNAL_ERROR)
    assert await names(farm) == []
    farm.clock.turn(601)
    one, *_ = await claim(farm)
    await farm.build(one)
    shown = await farm.builders.show("anvil")
    assert (shown.strikes, shown.quarantines, shown.quarantined_until) == (0, 0, None)


async def test_what_fails_everywhere_is_nobodys_fault(farm: Farm) -> None:
    await farm.begin(*(recipe(name) for name in "abcd"))
    await farm.ask(*"abcd")
    for _ in range(4):
        await fail(farm, "anvil")
    assert (await farm.builders.show("anvil")).strikes == 0


async def test_a_builder_says_what_it_has(farm: Farm) -> None:
    await claim(farm, free=0, build_class=2, memory=GIB, disk=GIB)
    shown = await farm.builders.show("anvil")
    assert (shown.build_class, shown.memory, shown.disk) == (2, GIB, GIB)
    assert shown.state is BuilderState.ENABLED


async def test_many_builds_that_do_not_fit_hide_none_that_does(farm: Farm) -> None:
    large = [configured(f"large{number:03}", memory=9 * GIB, priority=1) for number in range(300)]
    await farm.begin(*large, recipe("small"), configured("odd", build_class=1, memory=1))
    await farm.ask(*(one.pkgbase for one in large), "small", "odd")
    assert await names(farm, memory=4 * GIB) == ["small"]
    assert await names(farm, "classy", memory=GIB, build_class=1) == ["odd"]


@given(st.integers(PRIORITIES[0], PRIORITIES[-1]), st.integers(0, 10**8), st.integers(0, 10**8))
@settings(max_examples=20, deadline=None)
def test_the_database_works_out_the_very_moment_that_planning_says(
    priority: int, path: int, age: int
) -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    created = Clock().now - timedelta(seconds=age)
    with engine.begin() as connection:
        repositories.add(connection, Repository(name="extra"), created)
        request = requests.add(connection, "extra", "x86_64", "ann", (), created)
        one = recipe("a")
        row = {
            "request_id": request, "repository": "extra", "arch": "x86_64", "pkgbase": "a", "source": "tree",
            "path": "", "revision": "", "version": "1-1", "fingerprint": "", "recipe": one.recipe,
            "cause": "requested", "requester": "ann", "packager": "ann", "created_at": created,
            "priority": priority,
        }  # fmt: skip
        requests.insert_builds(connection, [row])
        connection.execute(update(rows).values(chain=path))
        assert connection.execute(select(rows.c.due)).scalar_one() == due(created, priority, path)
    engine.dispose()
