"""A builder's process: its objects, made by hand."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from quarters.builder import examination
from quarters.builder.agent import Agent
from quarters.builder.bench import Bench
from quarters.builder.cluster.cluster import Cluster
from quarters.builder.cluster.delegation import Delegation
from quarters.builder.cluster.handover import take
from quarters.builder.cluster.nomad import Nomad
from quarters.builder.cluster.slurm import Slurm
from quarters.builder.executors import registry
from quarters.builder.executors.container import Container
from quarters.builder.executors.executor import Executor
from quarters.builder.executors.sandbox import Sandbox
from quarters.builder.findings import Finding
from quarters.builder.once import in_a_folder
from quarters.builder.once import run as work_once
from quarters.builder.root import choice
from quarters.builder.root.provision import Provision
from quarters.builder.server import Server
from quarters.builder.settings import OnStop
from quarters.builder.works import Works
from quarters.config import Config
from quarters.model.errors import QuartersError
from quarters.model.token import Token
from quarters.protocol.client import Client
from quarters.protocol.client.trust import Trust
from quarters.wiring.data_folder import guard
from quarters.wiring.loops import kept_running


def check(config: Config) -> None:
    """BuilderUnusable if builds cannot be isolated here, and why."""
    isolating(config).check()


async def examine(config: Config) -> list[Finding]:
    """What of this machine and its server works, and what does not."""
    settings = config.builder
    found = await asyncio.to_thread(lambda: list(examination.machine(settings, _roots(config).look)))
    found.append(await examination.isolation(settings, lambda: isolating(config), config.container.engine))
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
        agent = Agent(settings, client.work, works(config, client.work))
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


async def once(config: Config, file: Path, stop: asyncio.Event) -> bool:
    """Work on the build that `file` hands over; False if it was told to stop before. A QuartersError says what failed."""
    guard()
    handed = await asyncio.to_thread(take, file)
    with in_a_folder(handed.accepted(config.builder)) as settings:
        chosen = msgspec.structs.replace(config, builder=settings)
        async with Client(settings.server, settings.token, Trust(settings.ca, settings.pin)) as client:
            bench = Bench(settings, client.work, executor(chosen), _now)
            building = asyncio.create_task(work_once(handed.assignment, settings, client.work, bench))
            stopping = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({building, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if building.done():
                    await building
                return building.done()
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


def works(config: Config, server: Server) -> Works:
    """Where the configuration wants builds to be worked on; BuilderUnusable if there is no such thing."""
    handing = cluster(config)
    if handing is not None:
        return Delegation(config.builder, server, handing)
    return Bench(config.builder, server, executor(config), _now)


def cluster(config: Config) -> Cluster | None:
    """What the configuration hands builds to, if it is a cluster."""
    folder = config.builder.data / "handed"
    clusters: Mapping[str, Callable[[], Cluster]] = {
        "slurm": lambda: Slurm(config.slurm, folder),
        "nomad": lambda: Nomad(config.nomad),
    }
    made = clusters.get(config.builder.executor)
    return made() if made else None


def isolating(config: Config) -> Cluster | Executor:
    """What the configuration says is to isolate builds, here or elsewhere; BuilderUnusable if there is no such thing."""
    return cluster(config) or executor(config)


def executor(config: Config) -> Executor:
    """What the configuration says is to isolate builds; BuilderUnusable if there is no such thing."""
    return registry.chosen(
        config.builder,
        {
            "sandbox": lambda settings: Sandbox(settings, _roots(config)),
            "container": lambda settings: Container(settings, config.container, _now),
        },
        ("slurm", "nomad"),
    )


def _roots(config: Config) -> Provision:
    return choice.chosen(config.builder, config.root, config.container.engine, _now)


def _now() -> datetime:
    return datetime.now(UTC)
