"""Builders for people: who is there, what they work on, and whether they get more."""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from quarters.model.builder import Builder, BuilderState
from quarters.protocol.resources import BuilderView, Page
from quarters.scheduler import finishing
from quarters.scheduler.settings import SchedulerSettings
from quarters.storage import builders
from quarters.storage.database import Database
from quarters.storage.wakeups import Topic, Wakeups


class Builders:
    """The builders that ever asked for work and were not removed."""

    def __init__(
        self, database: Database, wakeups: Wakeups, settings: SchedulerSettings, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._alive = timedelta(seconds=settings.builder_alive)
        self._now = now

    async def list(self, limit: int = 100, cursor: str | None = None) -> Page[BuilderView]:
        """All builders by name."""
        found = await self._database.read(builders.listed, after=cursor or "", limit=limit + 1)
        running = await self._database.read(builders.running)
        items = tuple(self._view(builder, running.get(builder.name, ())) for builder in found[:limit])
        return Page(items, items[-1].name if len(found) > limit else None)

    async def show(self, name: str) -> BuilderView:
        """One builder, or NotFound."""
        builder = await self._database.read(builders.get, name)
        running = await self._database.read(builders.running)
        return self._view(builder, running.get(name, ()))

    async def drain(self, name: str) -> BuilderView:
        """Let it finish what it has and give it nothing new."""
        return await self._become(name, BuilderState.DRAINING)

    async def disable(self, name: str) -> BuilderView:
        """Give it nothing new, and take from it at once what it is building."""
        taken = await self._database.write(finishing.disable, name, self._now())
        self._wakeups.notify(Topic.READY, Topic.BUILDS, Topic.EVENTS, *map(Topic.log, taken))
        return await self.show(name)

    async def enable(self, name: str) -> BuilderView:
        """Give it work again."""
        return await self._become(name, BuilderState.ENABLED)

    async def remove(self, name: str) -> None:
        """Forget it; what it is working on it may finish, and it appears again if it asks for work again."""
        await self._database.write(builders.remove, name, self._now())
        self._wakeups.notify(Topic.EVENTS)

    async def _become(self, name: str, state: BuilderState) -> BuilderView:
        await self._database.write(builders.set_state, name, state, self._now())
        self._wakeups.notify(Topic.READY, Topic.EVENTS)
        return await self.show(name)

    def _view(self, builder: Builder, running: tuple[int, ...]) -> BuilderView:
        return BuilderView(
            **msgspec.structs.asdict(builder),
            running=running,
            alive=builder.last_seen + self._alive >= self._now(),
        )
