"""A builder's way with a build: claim, heartbeats, finish, and what happens when it goes silent; on both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, select

from quarters.model.build import Outcome, Reason, State, Step, StepRecord
from quarters.model.errors import Conflict, LeaseLost
from quarters.model.recipe import Configuration, Dependency, Need, NeedKind, Output, SourcedRecipe
from quarters.model.repository import Network, Profile, Repository, Upstream
from quarters.planning.retries import DEFAULTS
from quarters.protocol.builds import ArtifactDigest, ClaimRequest, Finish, Heartbeat, LeaseKey
from quarters.storage import packages, repositories
from quarters.storage.database import Database
from quarters.storage.schema import attempts
from tests.contracts.farm import Farm, built, key, recipe
from tests.press import Press, package

SKIPPED = Finish(outcome=Outcome.SKIPPED, steps=())


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> Farm:
    farm = Farm(database, tmp_path)
    await farm.begin(recipe("lib"), recipe("app", "lib"))
    await farm.ask("app")
    return farm


def _silence(farm: Farm) -> float:
    """Seconds after which a lease is lost."""
    return 3 * farm.settings.heartbeat + 1


async def test_a_claim_that_finds_nothing_waits_until_something_is_ready(
    database: Database, tmp_path: Path
) -> None:
    farm = Farm(database, tmp_path)
    await farm.begin(recipe("lib"))
    request = ClaimRequest(builder="anvil", arches=("x86_64",), slots=1, free=1, wait=30)
    waiting = asyncio.create_task(farm.leases.claim(request))
    requested = await farm.ask("lib")
    assert [one.build for one in (await waiting).assignments] == list(requested.builds)


async def test_nobody_gets_what_is_for_another_architecture(farm: Farm) -> None:
    request = ClaimRequest(builder="anvil", arches=("riscv64",), slots=1, free=1)
    assert (await farm.leases.claim(request)).assignments == ()


async def test_a_builder_is_told_what_the_repository_adds_to_configurations(farm: Farm) -> None:
    kept = Repository(
        name="extra",
        checks=False,
        profiles=(Profile.X86_64_V3,),
        makepkg_conf="LDFLAGS+=' -Wl,-O1'",
        pacman_conf="IgnorePkg = linux",
    )
    await farm.database.write(repositories.change, kept)
    told = await farm.claimed()
    assert (told.profiles, told.makepkg_conf, told.pacman_conf) == (
        kept.profiles,
        kept.makepkg_conf,
        kept.pacman_conf,
    )


async def test_two_builders_never_get_the_same_build(farm: Farm) -> None:
    claims = await asyncio.gather(*(farm.claim(f"anvil{n}") for n in range(5)))
    assert [one.pkgbase for claimed in claims for one in claimed] == ["lib"]


async def test_an_assignment_says_everything(database: Database, tmp_path: Path) -> None:
    farm = Farm(database, tmp_path)
    core = Upstream(name="core", server=f"file://{tmp_path}/$repo", sig_level="Never", key="key of core")
    sourced = recipe("hello")
    assert sourced.recipe is not None
    needs = (
        Need(Dependency("glibc", ">=", "2"), NeedKind.DEPENDS),
        Need(Dependency("hello-data"), NeedKind.DEPENDS),
        Need(Dependency("cc"), NeedKind.MAKEDEPENDS, arch="x86_64"),
        Need(Dependency("qemu"), NeedKind.MAKEDEPENDS, arch="riscv64"),
        Need(Dependency("bats"), NeedKind.CHECKDEPENDS),
        Need(Dependency("hello"), NeedKind.DEPENDS, output="hello-data"),
    )
    makers = recipe("glibc", version="2-1"), recipe("cc"), recipe("bats")
    outputs = (Output("hello", ("x86_64",)), Output("hello-data", ("any",)), Output("far", ("riscv64",)))
    full = msgspec.structs.replace(
        sourced.recipe, needs=needs, outputs=outputs, sources=("a.patch", "src::git+https://example.org/a")
    )
    repository = Repository(name="extra", upstreams=(core,), network=Network.NEVER, timeout=60)
    await farm.begin(*makers, msgspec.structs.replace(sourced, recipe=full), repository=repository)
    await farm.ask("hello")
    for one in await farm.claim(free=3):
        await farm.build(one)
        await farm.publish(one.build)
    given = await farm.claimed()
    assert given.dependencies == ("glibc>=2", "cc", "bats")
    assert given.outputs == ("hello", "hello-data")
    assert given.remote_sources
    assert [(one.name, one.server, one.sig_level, one.key) for one in given.repositories] == [
        ("core", core.server, "Never", "key of core")
    ]
    assert (given.packager, given.network, given.timeout) == ("Ann <ann@example.org>", Network.NEVER, 60)
    assert (given.attempt, given.heartbeat, given.checks) == (1, farm.settings.heartbeat, True)


async def test_the_token_of_a_lease_is_not_kept(farm: Farm) -> None:
    one = await farm.claimed()

    def kept(connection: Connection) -> str:
        return str(connection.execute(select(attempts.c.lease_hash)).scalar_one())

    assert one.lease not in await farm.database.read(kept)


async def test_heartbeats_keep_a_lease_and_show_the_step(farm: Farm) -> None:
    one = await farm.claimed()
    root = StepRecord(step=Step.ROOT, started_at=farm.clock(), ended_at=farm.clock(), exit_code=0)
    steps = (root, StepRecord(step=Step.BUILD, started_at=farm.clock()))
    for _ in range(4):
        farm.clock.turn(2 * farm.settings.heartbeat)
        assert not (await farm.leases.heartbeat(key(one), Heartbeat(steps=steps))).cancel
        await farm.leases.sweep()
    shown = await farm.builds.show(one.build)
    assert (shown.state, shown.step, shown.steps) == (State.RUNNING, Step.BUILD, steps)
    assert shown.why == "It is running on anvil, step build."


async def test_a_silent_builder_loses_its_build_to_the_next_one(farm: Farm) -> None:
    lost = await farm.claimed()
    farm.clock.turn(_silence(farm))
    await farm.leases.sweep()
    shown = await farm.builds.show(lost.build)
    assert (shown.state, shown.reason) == (State.READY, Reason.BUILDER_LOST)
    assert shown.not_before is not None
    farm.clock.turn(60)
    again = await farm.claimed("other")
    assert (again.build, again.attempt) == (lost.build, 2)
    for late in _everything_said_with(farm, key(lost)):
        with pytest.raises(LeaseLost):
            await late()
    await farm.build(again)


async def test_a_build_is_not_given_back_to_the_builder_that_lost_it_while_another_one_is_there(
    farm: Farm,
) -> None:
    await farm.claimed("weak")
    farm.clock.turn(_silence(farm))
    await farm.leases.sweep()
    farm.clock.turn(60)
    await farm.builders.drain("weak")
    await farm.claim("strong", free=0)
    await farm.builders.enable("weak")
    assert await farm.claim("weak") == []
    assert (await farm.claimed("strong")).attempt == 2


async def test_a_build_goes_back_to_the_builder_that_lost_it_when_the_others_are_busy_for_long(
    farm: Farm,
) -> None:
    lost = await farm.claimed("weak")
    farm.clock.turn(_silence(farm))
    await farm.leases.sweep()
    farm.clock.turn(60)
    await farm.claim("strong", free=0)
    assert await farm.claim("weak") == []
    farm.clock.turn(600)
    await farm.claim("strong", free=0)
    assert (await farm.claimed("weak")).build == lost.build


async def test_a_build_that_kills_every_builder_fails_in_the_end_until_a_person_tries_again(
    farm: Farm,
) -> None:
    limit = 1 + len(DEFAULTS.waits(Reason.BUILDER_LOST))
    one = await farm.claimed()
    for number in range(limit):
        one = await farm.claimed() if number else one
        farm.clock.turn(_silence(farm))
        await farm.leases.sweep()
        farm.clock.turn(timedelta(days=3).total_seconds())
    shown = await farm.builds.show(one.build)
    assert (shown.state, shown.reason, shown.attempt) == (State.FAILED, Reason.BUILDER_LOST, limit)
    assert (await farm.states())["app"] is State.BLOCKED
    await farm.builds.retry(one.build, "ann")
    again = await farm.claimed()
    assert again.attempt == limit + 1
    farm.clock.turn(_silence(farm))
    await farm.leases.sweep()
    assert (await farm.builds.show(one.build)).state is State.READY


async def test_a_restarted_server_gives_living_builders_the_time_to_say_so(farm: Farm) -> None:
    one = await farm.claimed()
    farm.clock.turn(1000)
    running = asyncio.create_task(farm.leases.run())
    await farm.leases.heartbeat(key(one), Heartbeat())
    running.cancel()
    assert (await farm.builds.show(one.build)).state is State.RUNNING


async def test_a_cancelled_build_is_cancelled_at_the_builder_too(farm: Farm) -> None:
    one = await farm.claimed()
    await farm.builds.cancel(one.build, "ann")
    assert (await farm.leases.heartbeat(key(one), Heartbeat())).cancel
    with pytest.raises(LeaseLost):
        await farm.leases.finish(key(one), SKIPPED)


async def test_a_finish_that_is_said_twice_counts_once(farm: Farm) -> None:
    one = await farm.claimed()
    artifact = await farm.upload(one)
    for _ in range(2):
        await farm.leases.finish(key(one), built(one, artifact))
        assert (await farm.builds.show(one.build)).state is State.PUBLISHING
    await farm.publish(one.build)
    await farm.leases.finish(key(one), built(one, artifact))
    with pytest.raises(LeaseLost):
        await farm.leases.finish(LeaseKey(one.build, one.attempt, "guessed"), built(one, artifact))


async def test_a_failure_is_acknowledged_again_after_the_next_attempt_began(farm: Farm) -> None:
    one = await farm.claimed()
    await farm.fail(one, Reason.SOURCE_UNAVAILABLE)
    farm.clock.turn(3600)
    again = await farm.claimed()
    await farm.fail(one, Reason.SOURCE_UNAVAILABLE)
    assert (await farm.builds.show(one.build)).attempt == again.attempt


async def test_what_a_second_try_can_mend_is_tried_again_later_and_then_no_more(farm: Farm) -> None:
    for _ in DEFAULTS.waits(Reason.SOURCE_UNAVAILABLE):
        await farm.fail(await farm.claimed(), Reason.SOURCE_UNAVAILABLE)
        assert await farm.claim() == []
        shown = (await farm.builds.show(1)).why
        assert "tried again after source unavailable, not before" in shown
        farm.clock.turn(timedelta(days=1).total_seconds())
    await farm.fail(await farm.claimed(), Reason.SOURCE_UNAVAILABLE)
    assert await farm.states() == {"lib": State.FAILED, "app": State.BLOCKED}


async def test_what_a_second_try_cannot_mend_fails_at_once_and_says_where(farm: Farm) -> None:
    one = await farm.claimed()
    await farm.fail(one, Reason.BUILD_FAILED)
    shown = await farm.builds.show(one.build)
    assert (shown.state, shown.step, shown.exit_code) == (State.FAILED, Step.BUILD, 4)
    assert shown.message == "It broke."


async def test_what_a_builder_says_of_a_failure_is_kept_short_and_harmless(farm: Farm) -> None:
    one = await farm.claimed()
    said = Finish(
        outcome=Outcome.FAILED,
        steps=(),
        reason=Reason.BUILD_FAILED,
        message="\x1b]0;title\x07" + "x" * 100_000,
        command="make \x1b[2J",
    )
    await farm.leases.finish(key(one), said)
    shown = await farm.builds.show(one.build)
    assert shown.message.startswith("\\x1b]0;title\\x07xxx")
    assert len(shown.message) == 2000
    assert shown.command == "make \\x1b[2J"


async def test_a_skipped_build_lets_its_dependents_go_on(farm: Farm) -> None:
    await farm.leases.finish(key(await farm.claimed()), SKIPPED)
    assert await farm.states() == {"lib": State.SKIPPED, "app": State.READY}


async def test_a_build_out_of_time_is_over_and_blocks(farm: Farm) -> None:
    one = await farm.claimed()
    await farm.leases.finish(key(one), Finish(outcome=Outcome.TIMED_OUT, steps=()))
    assert await farm.states() == {"lib": State.TIMED_OUT, "app": State.BLOCKED}


async def test_a_build_without_artifacts_or_with_missing_ones_is_not_taken_for_built(farm: Farm) -> None:
    one = await farm.claimed()
    with pytest.raises(Conflict, match="made no package"):
        await farm.leases.finish(key(one), built(one))
    missing = ArtifactDigest(file_name="lib-1-1-x86_64.pkg.tar.zst", size=1, sha256="0" * 64)
    with pytest.raises(Conflict, match=missing.file_name):
        await farm.leases.finish(key(one), built(one, missing))
    assert (await farm.builds.show(one.build)).state is State.RUNNING


def _everything_said_with(farm: Farm, lease: LeaseKey) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: farm.leases.heartbeat(lease, Heartbeat()),
        lambda: farm.leases.append_log(lease, 0, b"late"),
        lambda: farm.leases.log_received(lease),
        lambda: farm.leases.artifact_received(lease, "lib-1-1-x86_64.pkg.tar.zst"),
        lambda: farm.leases.recipe_place(lease),
        lambda: farm.leases.finish(lease, SKIPPED),
    ]


async def test_a_dynamic_recipe_that_makes_what_is_published_is_skipped_and_no_longer_counts_as_changed(
    database: Database, tmp_path: Path
) -> None:
    press, farm = Press(database, tmp_path / "press"), Farm(database, tmp_path / "farm")
    await farm.begin(_dynamic("f1"))
    await press.upload(package("app", "7-1"), "extra")
    (listed,) = await database.read(packages.standing, "extra", {"app"})
    await database.write(packages.confirm, {listed.file.sha256}, "f1")

    await farm.have(_dynamic("f2"))
    await farm.requests.plan_sources()
    again = await farm.claimed()
    artifact = await farm.upload(again)
    await farm.leases.finish(key(again), msgspec.structs.replace(built(again, artifact), version="7-1"))

    shown = await farm.builds.show(again.build)
    assert (shown.state, shown.message) == (State.SKIPPED, "app 7-1 is already published.")
    await farm.have(_dynamic("f2"))
    await farm.requests.plan_sources()
    assert await farm.claim() == []


async def test_a_builder_may_say_before_building_that_a_dynamic_recipe_makes_what_is_published(
    database: Database, tmp_path: Path
) -> None:
    press, farm = Press(database, tmp_path / "press"), Farm(database, tmp_path / "farm")
    await farm.begin(_dynamic("f1"))
    await press.upload(package("app", "7-1"), "extra")
    (listed,) = await database.read(packages.standing, "extra", {"app"})
    await database.write(packages.confirm, {listed.file.sha256}, "f1")

    await farm.have(_dynamic("f2"))
    await farm.requests.plan_sources()
    again = await farm.claimed()
    assert again.published == "7-1"
    await farm.leases.finish(key(again), msgspec.structs.replace(SKIPPED, version="7-1"))

    shown = await farm.builds.show(again.build)
    assert (shown.state, shown.message) == (State.SKIPPED, "app 7-1 is already published.")
    await farm.have(_dynamic("f2"))
    await farm.requests.plan_sources()
    assert await farm.claim() == []


async def test_what_a_recipe_says_about_its_build_reaches_the_builder(
    database: Database, tmp_path: Path
) -> None:
    farm = Farm(database, tmp_path / "farm")
    one = recipe("app")
    assert one.recipe is not None
    wanted = Configuration(
        checks=True, ccache=True, debug=True, cache_sources=True, keep_replaces=False, skip_code=7,
        bump_from=one.recipe.version, bump=3,
    )  # fmt: skip
    await farm.begin(
        msgspec.structs.replace(one, recipe=msgspec.structs.replace(one.recipe, configuration=wanted))
    )
    await farm.ask("app")
    given = await farm.claimed()
    assert (given.checks, given.ccache, given.debug, given.cache_sources) == (True, True, True, True)
    assert (given.keep_replaces, given.skip_code, given.bump, given.source) == (False, 7, 3, "tree")
    assert given.published == ""


def _dynamic(fingerprint: str) -> SourcedRecipe:
    one = recipe("app", fingerprint=fingerprint)
    assert one.recipe is not None
    return msgspec.structs.replace(one, recipe=msgspec.structs.replace(one.recipe, dynamic_version=True))
