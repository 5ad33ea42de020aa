"""Builds handed to what answers as Nomad is documented to; see tests/nomad.py for what that shows."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quarters.builder.agent import Agent
from quarters.builder.cluster.handover import Handover
from quarters.builder.cluster.settings import NomadSettings
from quarters.config import Config
from quarters.model.build import Outcome, Reason
from quarters.protocol.builds import PackageRepository
from quarters.wiring.builder import works
from tests.integration.recorder import TOKEN as BUILDERS_TOKEN
from tests.integration.recorder import Recorder, assignment, settings
from tests.nomad import TOKEN, Nomad
from tests.nomad import nomad as serving


@pytest.fixture
async def nomad() -> AsyncIterator[Nomad]:
    async with serving() as served:
        yield served


@pytest.fixture
async def head(tmp_path: Path, nomad: Nomad) -> AsyncIterator[Recorder]:
    """A server whose only builder hands builds to Nomad."""
    server = Recorder()
    chosen = settings(tmp_path / "data", executor="nomad")
    section = NomadSettings(address=nomad.address, token=TOKEN, namespace="builds", poll=0.05)
    task = asyncio.create_task(
        Agent(chosen, server, works(Config(builder=chosen, nomad=section), server)).run(), name="head"
    )
    yield server
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def dispatched(nomad: Nomad) -> str:
    """The name of the next job that is dispatched."""
    came: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    nomad.on_dispatch = came.set_result
    return await asyncio.wait_for(came, 20)


async def started(nomad: Nomad, head: Recorder, **changes: Any) -> str:
    coming = asyncio.create_task(dispatched(nomad))
    await asyncio.sleep(0)
    head.assign(assignment(heartbeat=0.1, **changes), {})
    return await coming


async def test_a_job_is_told_all_but_the_token(nomad: Nomad, head: Recorder) -> None:
    job = nomad.dispatched[await started(nomad, head)]
    handed = msgspec.json.decode(job.payload, type=Handover)
    assert handed.assignment == head.given[1]
    assert (handed.name, handed.token) == ("one", "")
    assert BUILDERS_TOKEN.encode() not in job.payload
    assert job.meta == {"build": "1", "pkgbase": "thing"}


@pytest.mark.parametrize(
    ("status", "said", "message"),
    [("lost", "", "lost"), ("failed", "Exit Code: 1", "failed, Exit Code: 1"), ("unknown", "", "unknown")],
)
async def test_a_lost_allocation_is_a_lost_builder(
    nomad: Nomad, head: Recorder, status: str, said: str, message: str
) -> None:
    job = nomad.dispatched[await started(nomad, head)]
    job.said, job.client_status = said, status
    async with asyncio.timeout(20):
        finish = await head.until_finished(1)
    assert (finish.outcome, finish.reason) == (Outcome.FAILED, Reason.BUILDER_LOST)
    assert finish.message.endswith(f"ended without a word of the build: {message}.")


async def test_a_job_that_is_done_has_said_everything_itself(nomad: Nomad, head: Recorder) -> None:
    job = nomad.dispatched[await started(nomad, head)]
    job.client_status = "complete"
    second = asyncio.create_task(dispatched(nomad))
    await asyncio.sleep(0)
    head.assign(assignment(2), {})
    await second  # the only slot is free again
    assert 1 not in head.finished


async def test_a_build_that_is_cancelled_before_it_has_a_place_is_stopped(
    nomad: Nomad, head: Recorder
) -> None:
    stopped: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    nomad.on_stop = stopped.set_result
    job = await started(nomad, head)
    head.cancelled.add(1)
    assert await asyncio.wait_for(stopped, 20) == job


async def test_while_nomad_is_away_the_build_is_held(nomad: Nomad, head: Recorder) -> None:
    nomad.away = True
    head.assign(assignment(heartbeat=0.05), {})
    coming = asyncio.create_task(dispatched(nomad))
    await asyncio.wait_for(nomad.asked_twice.wait(), 20)
    assert 1 in head.steps
    nomad.away = False
    assert await coming in nomad.dispatched


@pytest.mark.parametrize("trouble", ["no such job", "too long"])
async def test_a_dispatch_that_nomad_never_takes_fails_the_build(
    nomad: Nomad, head: Recorder, trouble: str
) -> None:
    if trouble == "no such job":
        nomad.job = "another"
    long = PackageRepository(name="core", server="http://x", sig_level="Required", key="k" * 20_000)
    repositories = (long,) if trouble == "too long" else ()
    head.assign(assignment(repositories=repositories), {})
    async with asyncio.timeout(20):
        finish = await head.until_finished(1)
    assert finish.reason is Reason.INTERNAL_ERROR
    assert ("has no job" if trouble == "no such job" else "Nomad takes 16384") in finish.message
