"""A builder's process: its objects, made by hand."""

import asyncio
from datetime import UTC, datetime

from quarters.builder import roots
from quarters.builder.agent import Agent
from quarters.builder.executors.sandbox import Sandbox
from quarters.builder.settings import BuilderSettings, OnStop
from quarters.model.errors import QuartersError
from quarters.protocol.client import Client
from quarters.wiring.data_folder import guard
from quarters.wiring.loops import kept_running


def check(settings: BuilderSettings) -> None:
    """BuilderUnusable if builds cannot be isolated here, and why."""
    _executor(settings).check()


async def run(settings: BuilderSettings, stop: asyncio.Event, hurry: asyncio.Event) -> None:
    """Build until `stop` is set, and as the settings say on until what runs has ended, or `hurry` is set.

    A QuartersError that trying again cannot mend ends it.
    """
    guard()
    executor = _executor(settings)
    async with Client(settings.server, settings.token) as client:
        agent = Agent(settings, client.work, executor, lambda: datetime.now(UTC))
        building = asyncio.create_task(kept_running("builder", agent.run, (QuartersError,)))
        stopping = asyncio.create_task(_stopped(agent, settings.on_stop, stop, hurry))
        try:
            await asyncio.wait({building, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if building.done():
                await building
        finally:
            for task in (building, stopping):
                task.cancel()
            await asyncio.gather(building, stopping, return_exceptions=True)


async def _stopped(agent: Agent, policy: OnStop, stop: asyncio.Event, hurry: asyncio.Event) -> None:
    """Return when the builder is to end."""
    await stop.wait()
    if policy is OnStop.FINISH:
        agent.drain()
        waits = [asyncio.create_task(event.wait()) for event in (agent.drained, hurry)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _executor(settings: BuilderSettings) -> Sandbox:
    return Sandbox(settings, roots.chosen(settings.root, settings.data))
