"""Webhooks of sources: their secrets, and the pushes that they tell of."""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from quarters.model.errors import NotFound, Unauthenticated
from quarters.model.source import Source
from quarters.protocol.hooks import Hook, Pushed
from quarters.sources import webhooks
from quarters.storage import sources
from quarters.storage.database import Database
from quarters.storage.wakeups import Topic, Wakeups


class WrongSecret(Unauthenticated):
    """This push is not proved by the secret of a source."""


class Hooks:
    """A source has a webhook from the first time that somebody asks for its secret."""

    def __init__(self, database: Database, wakeups: Wakeups, now: Callable[[], datetime]) -> None:
        self._database = database
        self._wakeups = wakeups
        self._now = now

    async def show(self, name: str, *, renew: bool) -> Hook:
        """The address and the secret to enter at the forge; made at the first time, and anew if `renew`; NotFound."""

        def ensured(connection: Connection) -> str:
            sources.get(connection, name)
            secret = sources.hook_secret(connection, name)
            if not secret or renew:
                secret = secrets.token_urlsafe(32)
                sources.change(connection, name, hook_secret=secret)
            return secret

        return Hook(path=f"/api/v1/hooks/{name}", secret=await self._database.write(ensured))

    async def pushed(self, name: str, headers: Mapping[str, str], body: bytes) -> Pushed:
        """Take a forge's word for a push, if it knows the secret; WrongSecret."""
        source, secret = await self._database.read(_known, name)
        # An unknown source costs the same look, and gets the same answer, as a wrong secret.
        if not webhooks.authentic(secret or secrets.token_urlsafe(32), headers, body) or source is None:
            raise WrongSecret
        wanted = source.enabled and webhooks.concerns(headers, body, source.branch)
        if wanted:
            await self._database.write(lambda it: sources.change(it, name, sync_wanted_at=self._now()))
            self._wakeups.notify(Topic.SOURCES)
        return Pushed(sync=wanted)


def _known(connection: Connection, name: str) -> tuple[Source | None, str]:
    try:
        return sources.get(connection, name), sources.hook_secret(connection, name)
    except NotFound:
        return None, ""
