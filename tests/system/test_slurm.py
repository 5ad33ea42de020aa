"""Builds handed to a real Slurm: a job each, which a real builder on its node works on."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarters.model.build import Build, Reason, State
from quarters.protocol.client import Client
from tests.inhabitants import WAITING, let_go
from tests.slurm import Slurm, slurm_in
from tests.system.farm import PATIENCE, Farm, commit, farm_in, happened, logged, opened, recipe


@pytest.fixture
def slurm(folder: Path) -> Iterator[Slurm]:
    with slurm_in(folder / "slurm") as made:
        yield made


@pytest.fixture
def farm(folder: Path, slurm: Slurm) -> Iterator[Farm]:
    """A server, and builders whose jobs build in the sandbox."""
    settings = {
        "QUARTERS_SCHEDULER__HEARTBEAT": "5",
        "QUARTERS_BUILDER__EXECUTOR": "slurm",
        "QUARTERS_BUILDER__SLOTS": "2",
        "QUARTERS_SLURM__COMMAND": f"{sys.executable},-m,quarters.cli",
        "QUARTERS_SLURM__ARGUMENTS": f"--executor=sandbox,--data={folder}/node",
        "QUARTERS_SLURM__POLL": "0.5",
        "SLURM_CONF": str(slurm.conf),
    }
    with farm_in(folder, settings) as farm:
        yield farm


@pytest.fixture
def tree(folder: Path) -> Path:
    """A source with a recipe that waits in its build, and one that needs it."""
    recipe(folder / "tree", "slow", WAITING)
    recipe(folder / "tree", "after", depends="slow")
    commit(folder / "tree")
    return folder / "tree"


async def told(client: Client, build: int, words: str) -> Build:
    """The build once its message holds `words`."""
    async with asyncio.timeout(PATIENCE):
        async for _ in client.events.follow(0):
            if words in (found := await client.builds.show(build)).message:
                return found
    raise AssertionError("the stream of events has ended")


async def test_each_build_is_a_job_and_one_of_a_lost_node_is_built_again(
    farm: Farm, tree: Path, slurm: Slurm
) -> None:
    slurm.start_node()
    # A lease that outlasts Slurm's own patience with its nodes.
    farm.settings = {**farm.settings, "QUARTERS_SCHEDULER__HEARTBEAT": "40"}
    async with opened(farm, tree) as client:
        await farm.builder("head")
        running = await happened(client, "build.running", pkgbase="slow")
        build = int(running.subject)
        await logged(client, build, "waiting", 1)
        assert slurm.jobs() == ["RUNNING"]
        assert list((farm.builder_data("head") / "handed").iterdir()) == []
        slurm.lose_node()
        lost = await told(client, build, "NODE_FAIL")
        assert lost.reason is Reason.BUILDER_LOST
        assert lost.message.startswith("The job ")
        slurm.start_node()
        await happened(client, "build.running", running.id, pkgbase="slow")
        await logged(client, build, "waiting", 2)
        let_go(farm.folder / "node" / "once-0")
        await happened(client, "build.succeeded", pkgbase="slow")
        await happened(client, "build.succeeded", pkgbase="after")
        assert (await client.builds.show(build)).state is State.SUCCEEDED
        await asyncio.to_thread(slurm.until, [])


async def test_a_cancelled_build_ends_its_job_and_so_does_a_builder_that_is_stopped(
    farm: Farm, tree: Path, slurm: Slurm
) -> None:
    slurm.start_node()
    async with opened(farm, tree) as client:
        builder = await farm.builder("head")
        running = await happened(client, "build.running", pkgbase="slow")
        await logged(client, int(running.subject), "waiting", 1)
        await client.builds.cancel(int(running.subject))
        await asyncio.to_thread(slurm.until, [])
        again = await client.builds.retry(int(running.subject))
        await logged(client, again.id, "waiting", again.attempt + 1)
        builder.terminate()
        await told(client, again.id, "Its builder was stopped.")
        await asyncio.to_thread(slurm.until, [])
        assert builder.wait(30) == 0


async def test_a_job_that_waits_holds_its_build_until_the_builder_is_stopped(
    farm: Farm, tree: Path, slurm: Slurm
) -> None:
    async with opened(farm, tree) as client:
        builder = await farm.builder("head")
        running = await happened(client, "build.running", pkgbase="slow")
        await asyncio.to_thread(slurm.until, ["PENDING"])
        builder.terminate()
        await told(client, int(running.subject), "Its builder was stopped.")
        await asyncio.to_thread(slurm.until, [])


async def test_a_job_that_slurm_does_not_take_fails_its_build(farm: Farm, tree: Path, slurm: Slurm) -> None:
    farm.settings = {**farm.settings, "QUARTERS_SLURM__PARTITION": "nowhere"}
    async with opened(farm, tree) as client:
        await farm.builder("head")
        running = await happened(client, "build.running", pkgbase="slow")
        refused = await told(client, int(running.subject), "nowhere")
        assert refused.reason is Reason.INTERNAL_ERROR
