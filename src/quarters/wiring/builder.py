"""A builder's process: its objects, made by hand."""

import asyncio
from datetime import UTC, datetime

from quarters.builder import examination
from quarters.builder.agent import Agent
from quarters.builder.executors import registry
from quarters.builder.executors.container import Container
from quarters.builder.executors.executor import Executor
from quarters.builder.executors.sandbox import Sandbox
from quarters.builder.findings import Finding
from quarters.builder.root import choice
from quarters.builder.root.provision import Provision
from quarters.builder.settings import OnStop
from quarters.config import Config
from quarters.model.errors import QuartersError
from quarters.model.token import Token
from quarters.protocol.client import Client
from quarters.protocol.client.trust import Trust
from quarters.wiring.data_folder import guard
from quarters.wiring.loops import kept_running


def check(config: Config) -> None:
    """BuilderUnusable if builds cannot be isolated here, and why."""
    executor(config).check()


async def examine(config: Config) -> list[Finding]:
    """What of this machine and its server works, and what does not."""
    settings = config.builder
    found = await asyncio.to_thread(lambda: list(examination.machine(settings, _roots(config).look)))
    found.append(await examination.isolation(settings, lambda: executor(config), config.container.engine))
    async with Client(settings.server, settings.token, Trust(settings.ca, settings.pin)) as client:
        found += await examination.server(settings, Asked(client), _now)
    return found


class Asked:
    """The server, as an examination asks it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def clock(self) -> datetime | None:
        """Its clock."""
        return await self._client.clock()

    async def token(self) -> Token:
        """The token that this client bears."""
        return await self._client.tokens.current()


async def run(config: Config, stop: asyncio.Event, hurry: asyncio.Event) -> None:
    """Build until `stop` is set, and as the settings say on until what runs has ended, or `hurry` is set.

    A QuartersError that trying again cannot mend ends it.
    """
    guard()
    settings = config.builder
    async with Client(settings.server, settings.token, Trust(settings.ca, settings.pin)) as client:
        agent = Agent(settings, client.work, executor(config), _now)
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


def executor(config: Config) -> Executor:
    """What the configuration says is to isolate builds; BuilderUnusable if there is no such thing."""
    return registry.chosen(
        config.builder,
        {
            "sandbox": lambda settings: Sandbox(settings, _roots(config)),
            "container": lambda settings: Container(settings, config.container, _now),
        },
    )


def _roots(config: Config) -> Provision:
    return choice.chosen(config.builder, config.root, config.container.engine, _now)


def _now() -> datetime:
    return datetime.now(UTC)
