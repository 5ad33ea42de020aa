"""Builders in the test's own process: the real messages over real HTTP, packages made beforehand, and every bad habit."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import pytest

from quarters.builder.hold import Hold
from quarters.builder.persistence import AWAY, persistently
from quarters.builder.products import digest
from quarters.builder.upload import upload
from quarters.model.build import Outcome, Reason, Step, StepRecord
from quarters.model.errors import Conflict, LeaseLost
from quarters.model.event import Happening
from quarters.model.token import Scope
from quarters.protocol.builds import Assignment, ClaimRequest, Finish, Heartbeat, LeaseKey
from quarters.protocol.client import Client
from quarters.protocol.resources import NewToken
from tests.press import package
from tests.system.farm import PATIENCE, Farm

T = TypeVar("T")

_SOON = 0.5
"""Seconds between two tries to reach a server that is away."""
_NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
_STEPS = (
    StepRecord(step=Step.ROOT, started_at=_NOON, ended_at=_NOON, exit_code=0),
    StepRecord(step=Step.BUILD, started_at=_NOON),
)


class Habit(StrEnum):
    """How a builder behaves during an attempt."""

    PLAIN = "plain"
    TWICE = "twice"
    """It sends every message twice, side by side."""
    SHUFFLED = "shuffled"
    """It sends its messages in a wrong order, and old ones again."""
    AWAY = "away"
    """It is cut off until its lease is lost, and then goes on."""
    GONE = "gone"
    """It is heard of no more until everything is over; then it says what it had left to say."""


class Chronicle:
    """Everything that happens on a server, in order, over all its lives."""

    def __init__(self) -> None:
        self.events: list[Happening] = []
        self._news = asyncio.Condition()

    async def follow(self, client: Client) -> None:
        """Write down what happens, without end."""
        while True:
            with suppress(*AWAY):
                async for event in client.events.follow(self.events[-1].id if self.events else 0):
                    async with self._news:
                        self.events.append(event)
                        self._news.notify_all()

    async def until(self, kind: str, build: int, attempt: int | None = None) -> None:
        """Return once that happened to a build."""
        async with self._news:
            await self._news.wait_for(
                lambda: any(
                    it.data.get("attempt", attempt) == attempt
                    for it in self.told(kind)
                    if it.subject == str(build)
                )
            )

    async def until_all(self, kind: str, count: int) -> None:
        """Return once so many different builds have come to that."""
        async with self._news:
            await self._news.wait_for(lambda: len({it.subject for it in self.told(kind)}) >= count)

    def told(self, kind: str) -> list[Happening]:
        """What happened of that kind."""
        return [it for it in self.events if it.kind == kind]


class _Voice:
    """Says things about one build, as a habit has it."""

    def __init__(self, hold: Hold, habit: Habit, heard: Callable[[int], Awaitable[None]]) -> None:
        self.hold = hold
        self._times = 2 if habit is Habit.TWICE else 1
        self._heard = heard

    @property
    def lease(self) -> LeaseKey:
        """The lease in force."""
        return LeaseKey.of(self.hold.assignment)

    async def __call__(self, message: Callable[[LeaseKey], Awaitable[T]]) -> T:
        """Repeat a message until it is answered."""
        answers = await asyncio.gather(*(self.hold.ask(message, longest=_SOON) for _ in range(self._times)))
        await self._heard(self._times)
        return answers[0]


class Crew:
    """Some builders; what each does in which attempt follows from the seed."""

    def __init__(self, farm: Farm, chronicle: Chronicle, seed: int) -> None:
        self.seed = seed
        self.answered = 0
        """Messages that the server has answered."""
        self.ghosts: dict[LeaseKey, Path] = {}
        """Leases of builders that are gone, with what they had built."""
        self._farm = farm
        self._chronicle = chronicle
        self._answer = asyncio.Condition()
        self._packages = farm.folder / "packages"
        self._packages.mkdir()

    @asynccontextmanager
    async def working(self, *names: str, hands: int = 3) -> AsyncIterator[None]:
        """Let builders of these names work, each on so many builds at a time."""
        tasks = [asyncio.create_task(self._builder(name, hands)) for name in names]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for one in ended:
            if isinstance(one, Exception):
                raise one

    async def until_answered(self, count: int) -> None:
        """Return once so many messages were answered."""
        async with self._answer:
            await self._answer.wait_for(lambda: self.answered >= count)

    async def speak_out_of_the_grave(self) -> None:
        """Who is gone says everything that it had to say; nothing of it counts any more."""
        async with self._farm.client() as client:
            for key, path in self.ghosts.items():
                for late in _everything(client, key, path):
                    with pytest.raises(LeaseLost):
                        await late()

    async def _builder(self, name: str, hands: int) -> None:
        async with self._farm.client() as admin:
            token = await persistently(
                lambda: admin.tokens.create(NewToken(name=name, scope=Scope.BUILDER)), longest=_SOON
            )
        async with Client(self._farm.url, token.secret) as client, asyncio.TaskGroup() as group:
            for _ in range(hands):
                group.create_task(
                    self._work(
                        client, ClaimRequest(builder=name, arches=("x86_64",), slots=hands, free=1, wait=20)
                    )
                )

    async def _work(self, client: Client, request: ClaimRequest) -> None:
        while True:
            reply = await persistently(lambda: client.work.claim(request), longest=_SOON)
            for assignment in reply.assignments:
                try:
                    await self._build(client, assignment)
                except LeaseLost:
                    continue  # it is somebody else's by now

    def _habit(self, assignment: Assignment) -> Habit:
        chance = random.Random(f"{self.seed}/{assignment.pkgbase}/{assignment.attempt}")
        patient = assignment.attempt == 1
        return chance.choices(list(Habit), weights=(5, 2, 2, patient, patient))[0]

    async def _build(self, client: Client, assignment: Assignment) -> None:
        server, habit = client.work, self._habit(assignment)
        say = _Voice(Hold(server, assignment, PATIENCE), habit, self._count)
        folder, finish = self._made(assignment)
        artifact = finish.artifacts[0]
        await say(lambda key: server.recipe(key, folder.parent / "recipe.tar"))
        await say(lambda key: server.heartbeat(key, Heartbeat(steps=_STEPS)))
        if habit is Habit.GONE:
            self.ghosts[say.lease] = folder / artifact.file_name
            return
        if habit is Habit.AWAY:
            await self._chronicle.until("lease.lost", assignment.build, say.lease.attempt)
        if habit is Habit.SHUFFLED:
            await say(lambda key: server.heartbeat(key, Heartbeat(steps=_STEPS[:1])))
            await say(lambda key: server.append_log(key, 1 << 20, b"from later on\n"))
            await say(lambda key: server.upload_artifact(key, artifact, folder / artifact.file_name, 10))
            with pytest.raises(Conflict):
                await say(lambda key: server.finish(key, finish))
        sent: LeaseKey | None = None

        async def end(key: LeaseKey) -> bool:
            if key == sent:
                await server.finish(key, finish)
            return key == sent

        while not await say(end):  # under a lease that came after all was sent, it is sent again
            sent = say.lease
            await say(lambda key: server.append_log(key, 0, b"It is built.\n"))
            for _ in range(2 if habit is Habit.TWICE else 1):
                await upload(folder, (artifact,), say.hold, begun=True)
                await self._count()
        if habit is Habit.SHUFFLED:
            await self._say_old_things(client, say.lease, finish, folder / artifact.file_name)

    def _made(self, assignment: Assignment) -> tuple[Path, Finish]:
        """The folder of the package that a build makes, and what is said in the end."""
        made = package(assignment.pkgbase, assignment.version, arch="any")
        folder = self._packages / assignment.pkgbase / "artifacts"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / made.file_name
        path.write_bytes(made.content)
        return folder, Finish(
            outcome=Outcome.BUILT, steps=_STEPS, version=made.version, artifacts=(digest(path),)
        )

    async def _say_old_things(self, client: Client, key: LeaseKey, finish: Finish, path: Path) -> None:
        """After the end of an attempt: the end once more is acknowledged, and nothing else is taken."""
        await persistently(lambda: client.work.finish(key, finish), longest=_SOON)
        for late in _everything(client, key, path):
            with pytest.raises(LeaseLost):
                await persistently(late, longest=_SOON)

    async def _count(self, more: int = 1) -> None:
        async with self._answer:
            self.answered += more
            self._answer.notify_all()


def _everything(client: Client, key: LeaseKey, path: Path) -> list[Callable[[], Awaitable[object]]]:
    """All that may be said under a lease, except for the end that the attempt came to."""
    artifact = digest(path)
    failed = Finish(outcome=Outcome.FAILED, steps=_STEPS, reason=Reason.BUILD_FAILED)
    return [
        lambda: client.work.heartbeat(key, Heartbeat(steps=_STEPS)),
        lambda: client.work.append_log(key, 0, b"too late\n"),
        lambda: client.work.artifact_received(key, artifact),
        lambda: client.work.upload_artifact(key, artifact, path),
        lambda: client.work.finish(key, failed),
        lambda: client.work.resume(key),
    ]
