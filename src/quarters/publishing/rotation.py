"""How one key takes over from another, and who hears in time that a key expires."""

import asyncio

import structlog

from quarters.protocol.resources import KeyView
from quarters.publishing.change import Change
from quarters.publishing.keys import KeyRing
from quarters.publishing.swap import Credit, Swap
from quarters.storage import events, repositories
from quarters.storage.database import Database

_DAILY = 86_400.0

log = structlog.get_logger(__name__)


class Rotation:
    """Changes keys while repositories are served.

    A signature is checked as a whole: pacman refuses a file of two of which it knows one (libalpm: signing.c). So every
    file has one signature, by the key that signs now, and clients have to know a key before it does: it is in the
    keyring from its creation on.
    """

    def __init__(self, database: Database, keys: KeyRing, swap: Swap) -> None:
        self._database = database
        self._keys = keys
        self._swap = swap

    async def use(self, name: str, actor: str) -> KeyView:
        """Let a key sign: new packages and every index at once, older packages when they are next asked for."""
        view = await asyncio.to_thread(self._keys.use, name)
        for repository in await self._database.read(repositories.listed):
            # A new snapshot, so that clients whose index is current take the new signature with an index of its own.
            async with self._swap.lock(repository.name):
                await self._swap.publish(repository, Change(), Credit(actor, f"signed by the key {name}"))
        await self._record("key.used", name, actor)
        return view

    async def extend(self, name: str, days: int, actor: str) -> KeyView:
        """Let a key expire later."""
        view = await asyncio.to_thread(self._keys.extend, name, days)
        await self._record("key.extended", name, actor)
        return view

    async def retire(self, name: str, *, revoke: bool, actor: str) -> KeyView:
        """Never sign with a key again; its secret is deleted."""
        view = await asyncio.to_thread(lambda: self._keys.retire(name, revoke=revoke))
        await self._record("key.retired", name, actor)
        return view

    async def _record(self, kind: str, name: str, actor: str) -> None:
        data: events.Data = {"actor": actor}
        await self._database.write(events.record, self._swap.now(), kind, name, data)

    async def run(self) -> None:
        """Say every day in the log what has to be done about keys, until cancelled."""
        while True:
            for warning in await asyncio.to_thread(self._keys.warnings):
                log.warning("a signing key needs attention", what=warning)
            await asyncio.sleep(_DAILY)
