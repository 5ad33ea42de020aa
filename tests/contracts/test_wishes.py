"""Who wants which build, and what becomes of builds when a request is taken back or tried again; on both databases."""

from pathlib import Path

import pytest

from quarters.model.build import Cause, Reason, State
from quarters.model.errors import Invalid, NotFound
from quarters.protocol.builds import Heartbeat
from quarters.protocol.resources import BuildFilter, BuildRequest, Cancellation, Requested, Retry
from quarters.storage.database import Database
from tests.contracts.farm import Farm, key, recipe


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> Farm:
    farm = Farm(database, tmp_path)
    await farm.begin(recipe("lib"), recipe("app", "lib"), recipe("tool", "lib"), recipe("other"))
    return farm


async def _ask(farm: Farm, who: str, *packages: str) -> Requested:
    return await farm.requests.request(BuildRequest(packages=packages), who)


async def test_a_build_says_who_asked_for_it_and_who_joined(farm: Farm) -> None:
    first = await _ask(farm, "ann", "app")
    second = await _ask(farm, "ben", "tool")
    lib = await farm.builds.show(first.builds[0])
    assert [(wish.requester, wish.request) for wish in lib.wishes] == [
        ("ann", first.request),
        ("ben", second.request),
    ]
    assert lib.request_id == first.request
    listed = await farm.builds.list(BuildFilter(request=second.request))
    assert {build.pkgbase for build in listed.items} == {"lib", "tool"}


async def test_cancelling_a_request_ends_what_nobody_else_wants(farm: Farm) -> None:
    first = await _ask(farm, "ann", "app", "other")
    await _ask(farm, "ben", "tool")
    done = await farm.builds.cancel_all(Cancellation(request=first.request), "ann")
    assert (len(done.builds), len(done.kept)) == (2, 1)
    assert await farm.states() == {
        "lib": State.READY,
        "app": State.CANCELLED,
        "other": State.CANCELLED,
        "tool": State.WAITING,
    }
    (wish, _) = (await farm.builds.show(done.kept[0])).wishes
    assert wish.withdrawn


async def test_what_both_took_back_ends_and_a_second_time_does_nothing(farm: Farm) -> None:
    first, second = await _ask(farm, "ann", "app"), await _ask(farm, "ben", "app")
    assert (await farm.builds.cancel_all(Cancellation(request=first.request), "ann")).builds == ()
    assert len((await farm.builds.cancel_all(Cancellation(request=second.request), "ben")).builds) == 2
    assert (await farm.builds.cancel_all(Cancellation(request=second.request), "ben")).builds == ()


async def test_a_running_build_of_a_cancelled_request_tells_its_builder_to_stop(farm: Farm) -> None:
    asked = await _ask(farm, "ann", "other")
    one = await farm.claimed()
    await farm.builds.cancel_all(Cancellation(request=asked.request), "ann")
    assert (await farm.leases.heartbeat(key(one), Heartbeat())).cancel


async def test_what_needs_a_cancelled_build_without_being_of_the_request_is_blocked(farm: Farm) -> None:
    lib = await _ask(farm, "ann", "lib")
    await _ask(farm, "ben", "app")
    (build,) = lib.builds
    await farm.builds.cancel(build, "ann")
    assert (await farm.states())["app"] is State.BLOCKED


async def test_the_build_of_a_newer_recipe_is_wanted_by_who_wanted_the_older_one(farm: Farm) -> None:
    first = await _ask(farm, "ann", "lib")
    await farm.have(recipe("lib", version="2-1", fingerprint="f2"))
    second = await _ask(farm, "ben", "lib")
    newer = await farm.builds.show(second.builds[0])
    assert {wish.requester for wish in newer.wishes} == {"ann", "ben"}
    assert (await farm.builds.cancel_all(Cancellation(request=second.request), "ben")).kept == (newer.id,)
    assert (await farm.builds.cancel_all(Cancellation(request=first.request), "ann")).builds == (newer.id,)


async def test_an_unknown_request_is_named(farm: Farm) -> None:
    with pytest.raises(NotFound, match="no request 77"):
        await farm.builds.cancel_all(Cancellation(request=77), "ann")


async def test_what_a_source_joined_survives_the_person_who_asked_first(farm: Farm) -> None:
    asked = await _ask(farm, "ann", "app")
    await farm.requests.plan_sources()
    # A round of the source that makes nothing new leaves its wishes with the request that it had before.
    await farm.have(recipe("other"))
    await farm.requests.plan_sources()
    done = await farm.builds.cancel_all(Cancellation(request=asked.request), "ann")
    assert (done.builds, len(done.kept)) == ((), 2)


async def test_all_that_failed_for_a_reason_is_tried_again_and_says_by_whom(farm: Farm) -> None:
    await _ask(farm, "ann", "app", "other")
    lib, other = await farm.claim(free=2)
    await farm.fail(lib, Reason.CHECKSUM_MISMATCH)
    await farm.fail(other, Reason.BUILD_FAILED)
    done = await farm.builds.retry_all(Retry(reason=Reason.CHECKSUM_MISMATCH), "ben")
    assert done.builds == (lib.build,)
    assert await farm.states() == {"lib": State.READY, "app": State.WAITING, "other": State.FAILED}
    shown = await farm.builds.show(lib.build)
    assert shown.cause is Cause.RETRY
    assert shown.grounds.detail.startswith("tried again by ben; at first: ")


async def test_what_a_later_build_has_overtaken_is_left_alone_and_counted(farm: Farm) -> None:
    await _ask(farm, "ann", "other")
    old = await farm.claimed()
    await farm.fail(old, Reason.CHECKSUM_MISMATCH)
    await farm.have(recipe("other", version="2-1", fingerprint="f2"))
    await _ask(farm, "ann", "other")
    done = await farm.builds.retry_all(Retry(reason=Reason.CHECKSUM_MISMATCH), "ben")
    assert (done.builds, done.overtaken) == ((), (old.build,))


async def test_all_of_a_request_is_tried_again_and_nothing_else(farm: Farm) -> None:
    mine = await _ask(farm, "ann", "other")
    await _ask(farm, "ben", "lib")
    for one in await farm.claim(free=2):
        await farm.fail(one)
    done = await farm.builds.retry_all(Retry(request=mine.request), "ann")
    assert done.builds == mine.builds
    with pytest.raises(Invalid, match="Say what to try again"):
        await farm.builds.retry_all(Retry(), "ann")
