"""A newer recipe while the older one is being built: it follows where the repository says so; on both databases."""

from pathlib import Path

import pytest

from quarters.model.build import State
from quarters.model.repository import Repository, Supersede
from quarters.protocol.builds import Heartbeat
from quarters.protocol.resources import BuildFilter, Cancellation
from quarters.scheduler.successions import Successions
from quarters.storage.database import Database
from tests.contracts.farm import FORMATS, Farm, key, recipe

NEWER = recipe("lib", version="2-1", fingerprint="f2")


class Queue:
    """A farm that lets running builds finish, and the loop that follows them."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.loop = Successions(farm.database, farm.wakeups, FORMATS, farm.settings, farm.clock)

    async def versions(self) -> list[tuple[str, State]]:
        """The builds of lib, the oldest first."""
        found = (await self.farm.builds.list(_of_lib())).items
        return [(it.version, it.state) for it in reversed(found)]


def _of_lib() -> BuildFilter:
    return BuildFilter(pkgbase="lib")


@pytest.fixture
async def queue(database: Database, tmp_path: Path) -> Queue:
    farm = Farm(database, tmp_path)
    repository = Repository(name="extra", checks=False, supersede_running=Supersede.FINISH)
    await farm.begin(recipe("lib"), recipe("app", "lib"), repository=repository)
    return Queue(farm)


async def test_a_running_build_is_left_to_finish_and_the_newer_one_follows(queue: Queue) -> None:
    farm = queue.farm
    await farm.ask("lib")
    one = await farm.claimed()
    await farm.have(NEWER)
    asked = await farm.ask("lib")
    assert asked.joined == (one.build,)
    assert not (await farm.leases.heartbeat(key(one), Heartbeat())).cancel
    assert "newer recipe (2-1)" in (await farm.builds.show(one.build)).message
    await queue.loop.round()
    assert await queue.versions() == [("1-1", State.RUNNING)]
    await farm.build(one)
    await farm.publish(one.build)
    await queue.loop.round()
    await queue.loop.round()
    assert await queue.versions() == [("1-1", State.SUCCEEDED), ("2-1", State.READY)]
    follower = await farm.builds.show((await farm.claimed()).build)
    assert follower.request_id == asked.request


async def test_what_needs_the_newer_one_waits_for_it_and_not_only_for_the_running_one(queue: Queue) -> None:
    farm = queue.farm
    await farm.ask("lib")
    one = await farm.claimed()
    await farm.have(NEWER)
    await farm.ask("app")
    await farm.build(one)
    await farm.publish(one.build)
    assert (await farm.states())["app"] is State.WAITING
    await queue.loop.round()
    assert (await farm.states())["app"] is State.WAITING
    await farm.run("lib", "app")


async def test_the_newer_one_follows_a_failure_too_and_frees_what_that_blocked(queue: Queue) -> None:
    farm = queue.farm
    await farm.ask("app")
    one = await farm.claimed()
    await farm.have(NEWER)
    await farm.ask("lib")
    await farm.fail(one)
    assert (await farm.states())["app"] is State.BLOCKED
    await queue.loop.round()
    assert await queue.versions() == [("1-1", State.FAILED), ("2-1", State.READY)]
    await farm.run("lib", "app")


async def test_a_queued_build_is_replaced_at_once_all_the_same(queue: Queue) -> None:
    farm = queue.farm
    await farm.ask("lib")
    await farm.have(NEWER)
    await farm.ask("lib")
    assert await queue.versions() == [("1-1", State.SUPERSEDED), ("2-1", State.READY)]


async def test_nothing_follows_when_the_request_is_taken_back(queue: Queue) -> None:
    farm = queue.farm
    await farm.ask("lib")
    one = await farm.claimed()
    await farm.have(NEWER)
    asked = await farm.ask("lib")
    await farm.builds.cancel_all(Cancellation(request=asked.request), "ann")
    await farm.build(one)
    await farm.publish(one.build)
    await queue.loop.round()
    assert await queue.versions() == [("1-1", State.SUCCEEDED)]


async def test_a_source_lets_the_newest_of_several_recipes_follow_once(queue: Queue) -> None:
    farm = queue.farm
    await farm.requests.plan_sources()
    one = await farm.claimed()
    await farm.have(NEWER)
    await farm.requests.plan_sources()
    await farm.have(recipe("lib", version="3-1", fingerprint="f3"))
    await farm.requests.plan_sources()
    await farm.build(one)
    await farm.publish(one.build)
    await queue.loop.round()
    assert await queue.versions() == [("1-1", State.SUCCEEDED), ("3-1", State.READY)]
