"""Builds as they go: which are open, which ended, and when there is nothing left to wait for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from quarters.cli.connection import everything
from quarters.cli.progress import Progress
from quarters.model.build import BROKEN, OPEN, SATISFIED, TERMINAL, Build, State
from quarters.model.errors import QuartersError
from quarters.protocol.resources import BuildFilter

if TYPE_CHECKING:
    from quarters.protocol.client import Client
    from quarters.protocol.resources import Page

_TICK = 0.5
"""Seconds between looks at what runs; which step a build is in comes with heartbeats, so more would show nothing new."""
_FULL = 10
"""Ticks between looks at everything that is open; in between, events tell."""
_BUSY = frozenset({State.RUNNING, State.PUBLISHING})
_ENDS = frozenset(f"build.{state}" for state in TERMINAL)


class Seen(NamedTuple):
    """What one look found: builds that are open, and those that ended since the last look."""

    open: tuple[Build, ...]
    ended: tuple[Build, ...]


class Board:
    """The builds of a server, or `only` some of them, looked at again and again."""

    def __init__(self, client: "Client", only: Collection[int] | None = None) -> None:
        self._client = client
        self._only = None if only is None else frozenset(only)
        self._open: dict[int, Build] = {}
        self._over: set[int] = set()
        self._told: set[int] = set(only or ())
        """Numbers of builds that may have ended."""
        self._news = asyncio.Event()
        self._ticks = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Meanwhile, let events cut the waiting short; without them the board is only slower."""
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, QuartersError):
                await task

    async def look(self) -> Seen:
        """Everything that is open now, and what ended since the last look."""
        full = self._news.is_set() or self._ticks % _FULL == 0
        self._ticks += 1
        self._news.clear()
        found = await self._listed(OPEN if full else _BUSY)
        # What is not asked for in a quick look is taken to be as it was.
        kept = {} if full else {it.id: it for it in self._open.values() if it.state not in _BUSY}
        gone = (set(self._open) | self._told) - set(found) - set(kept) - self._over
        ended: list[Build] = []
        for number in sorted(gone):
            build = await self._client.builds.show(number)
            if build.state in TERMINAL:
                ended.append(build)
                self._over.add(number)
            else:
                found[number] = build
        self._told.clear()
        self._open = {**kept, **found}
        self._over -= set(self._open)
        return Seen(tuple(build for _, build in sorted(self._open.items())), tuple(ended))

    async def wait(self) -> None:
        """Until there may be something new."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_TICK):
                await self._news.wait()

    async def _listed(self, states: Collection[State]) -> dict[int, Build]:
        found: dict[int, Build] = {}
        for state in sorted(states):
            for build in await everything(self._fetch(BuildFilter(state=state))):
                if self._only is None or build.id in self._only:
                    found[build.id] = build
        return found

    def _fetch(self, which: BuildFilter) -> "Callable[[str | None], Awaitable[Page[Build]]]":
        return lambda cursor: self._client.builds.list(which, cursor=cursor)

    async def _listen(self) -> None:
        async for event in self._client.events.follow():
            if not event.kind.startswith("build."):
                continue
            number = int(event.subject)
            if self._only is None or number in self._only:
                if event.kind in _ENDS:
                    self._told.add(number)
                self._news.set()


async def until_over(client: "Client", builds: Collection[int], progress: Progress) -> bool:
    """Show `builds` until each has ended or is blocked by one that failed; whether all of them succeeded."""
    board = Board(client, builds)
    good = True
    async with board.listening():
        while True:
            seen = await board.look()
            progress.update(seen.open, seen.ended)
            good = good and all(build.state in SATISFIED for build in seen.ended)
            if all(build.state in BROKEN for build in seen.open):
                return good and not seen.open
            await board.wait()


async def until_idle(client: "Client", progress: Progress) -> bool:
    """Show all builds until nothing is left to be synced, planned or built; whether all that ended meanwhile succeeded."""
    board = Board(client)
    good = True
    async with board.listening():
        while True:
            # Sources first: what they bring becomes builds, never the other way round.
            pending = await _pending(client)
            seen = await board.look()
            progress.update(seen.open, seen.ended, pending)
            good = good and all(build.state in SATISFIED for build in seen.ended)
            if not pending and all(build.state in BROKEN for build in seen.open):
                return good
            await board.wait()


async def forever(client: "Client", progress: Progress) -> None:
    """Show all builds until somebody interrupts."""
    board = Board(client)
    async with board.listening():
        while True:
            seen = await board.look()
            progress.update(seen.open, seen.ended)
            await board.wait()


async def _pending(client: "Client") -> tuple[str, ...]:
    sources = await everything(lambda cursor: client.sources.list(cursor=cursor))
    return tuple(source.name for source in sources if source.pending and not source.problem)
