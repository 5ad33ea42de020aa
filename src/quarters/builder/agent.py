"""The builder's loop: claims builds for its free slots and works on each in a task of its own."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from quarters import __version__
from quarters.builder.data_lock import locked
from quarters.builder.persistence import persistently
from quarters.builder.server import Server
from quarters.builder.settings import BuilderSettings
from quarters.builder.works import Works
from quarters.protocol.builds import ClaimRequest

_POLL = 30.0
"""Seconds that the server may take to find work."""


class Agent:
    """A builder. Cancel `run` to stop at once: what is being built is handed back, what was built is sent later."""

    def __init__(self, settings: BuilderSettings, server: Server, works: Works) -> None:
        self._settings = settings
        self._server = server
        self._works = works
        self._running: dict[int, asyncio.Task[None]] = {}
        self._draining = asyncio.Event()
        self.drained = asyncio.Event()
        """Set once nothing is built any more after `drain`."""

    def drain(self) -> None:
        """Claim nothing more; `run` returns when what is being built has ended."""
        self._draining.set()

    async def run(self) -> None:
        """Claim and build until drained or cancelled; DataFolderBusy if another builder uses the same folder."""
        with locked(self._settings.data):
            draining = asyncio.create_task(self._draining.wait())
            try:
                await self._works.start()
                for slot, work in enumerate(self._works.left()):
                    self._begin(slot, work(slot))
                while not self._draining.is_set():
                    await self._claim(draining)
                if self._running:
                    await asyncio.wait(self._running.values())
                self.drained.set()
            finally:
                draining.cancel()
                await self._abandon()
                await self._works.close()

    async def _claim(self, draining: asyncio.Task[bool]) -> None:
        free = [slot for slot in range(self._settings.slots) if slot not in self._running]
        if not free:
            await asyncio.wait({*self._running.values(), draining}, return_when=asyncio.FIRST_COMPLETED)
            return
        room = self._works.room(idle=not self._running)
        request = ClaimRequest(
            builder=self._settings.name,
            arches=self._settings.arches,
            slots=self._settings.slots,
            free=len(free),
            wait=_POLL,
            version=__version__,
            executor=self._works.name,
            build_class=self._settings.build_class,
            memory=room.memory,
            disk=room.disk,
        )
        claiming = asyncio.ensure_future(persistently(lambda: self._server.claim(request)))
        try:
            await asyncio.wait({claiming, draining}, return_when=asyncio.FIRST_COMPLETED)
            if claiming.done():
                for slot, assignment in zip(free, claiming.result().assignments, strict=False):
                    self._begin(slot, self._works.work(slot, assignment))
        finally:
            claiming.cancel()

    def _begin(self, slot: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"slot {slot}")
        self._running[slot] = task
        task.add_done_callback(lambda _: self._running.pop(slot))

    async def _abandon(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
