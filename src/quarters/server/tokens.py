"""The tokens of a server: made, shown once, listed, revoked, and recognised by the hash of their secret."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from quarters.model.errors import Invalid, Unauthenticated, Unavailable
from quarters.model.names import plain_name
from quarters.model.token import Scope, Token
from quarters.protocol import cursors
from quarters.protocol.resources import CreatedToken, NewToken, Page
from quarters.storage import tokens
from quarters.storage.database import Database

_PREFIX = "qt_"
"""Lets people and secret scanners recognise a token that lies where it should not."""
_BYTES = 32
_MOST_DAYS = 36_500
_NOTE_USE = timedelta(minutes=1)
_REMEMBERED = 1.0
"""Seconds for which a token is not looked up again; what this process itself revokes is forgotten at once."""


class Tokens:
    """Bearer tokens in the database; secrets are 256 random bits, so that a plain hash guards them well enough."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._seen: dict[str, tuple[Token, float]] = {}

    async def create(self, new: NewToken) -> CreatedToken:
        """Make a token; its secret is in the answer and nowhere else."""
        name = plain_name(new.name, "token")
        if new.days is not None and not 0 < new.days <= _MOST_DAYS:
            raise Invalid(
                f"A token lives between 1 and {_MOST_DAYS} days, or for ever when no days are given."
            )
        now = self._now()
        expires_at = None if new.days is None else now + timedelta(days=new.days)
        secret = _PREFIX + secrets.token_urlsafe(_BYTES)
        token = await self._database.write(tokens.add, name, new.scope, _hash(secret), now, expires_at)
        return CreatedToken(**msgspec.structs.asdict(token), secret=secret)

    async def list(self, limit: int, cursor: str | None) -> Page[Token]:
        """Tokens by age, oldest first."""
        after = cursors.decode(cursor, int, 0)
        return cursors.page(
            await self._database.read(tokens.listed, after, limit + 1), limit, lambda token: token.id
        )

    async def revoke(self, token: int) -> None:
        """End a token's life at once; NotFound if there is none."""
        await self._database.write(tokens.revoke, token, self._now())
        self._seen.clear()

    async def bearer(self, secret: str) -> Token:
        """The token with this secret, or Unauthenticated if there is none or its life is over."""
        # The look-up compares hashes of guesses, so its timing tells nothing about any secret.
        token = await self._known(_hash(secret))
        now = self._now()
        if token is None:
            raise Unauthenticated("This token is not known here.")
        if token.revoked_at is not None:
            raise Unauthenticated("This token was revoked.")
        if token.expires_at is not None and token.expires_at <= now:
            raise Unauthenticated("This token has expired.")
        if token.last_used_at is None or now - token.last_used_at >= _NOTE_USE:
            # A full disk must not keep people from looking at what goes on.
            with suppress(Unavailable):
                await self._database.write(tokens.used, token.id, now, now - _NOTE_USE)
                self._seen.clear()
        return token

    async def _known(self, hash: str) -> Token | None:
        """The token with this hash, as it was at most a moment ago."""
        clock = asyncio.get_running_loop().time()
        token, until = self._seen.get(hash, (None, clock))
        if clock < until:
            return token
        token = await self._database.read(tokens.by_hash, hash)
        if token is not None:  # guesses are not to fill the memory
            self._seen[hash] = token, clock + _REMEMBERED
        return token

    async def adopt(self, name: str, scope: Scope, secret: str | None) -> str:
        """Return `secret` if it is a token of `scope` that still works, else the secret of a new one called `name`."""
        if secret is not None:
            with suppress(Unauthenticated):
                if (await self.bearer(secret)).scope is scope:
                    return secret
        return (await self.create(NewToken(name=name, scope=scope))).secret


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
