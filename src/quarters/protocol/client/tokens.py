"""Tokens as a client sees them."""

from quarters.model.token import Token
from quarters.protocol.client.transport import Transport, below
from quarters.protocol.resources import CreatedToken, NewToken, Page

_ALL = "tokens"


class Tokens:
    """`/api/v1/tokens`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[Token]:
        """Tokens, oldest first, without their secrets."""
        params = {"limit": limit, "cursor": cursor}
        return await self._transport.call("GET", below(_ALL), Page[Token], params=params)

    async def create(self, new: NewToken) -> CreatedToken:
        """Create a token; its secret is in the answer and nowhere else."""
        return await self._transport.call("POST", below(_ALL), CreatedToken, send=new)

    async def current(self) -> Token:
        """The one that this client bears; Unauthenticated if it bears none."""
        return await self._transport.call("GET", below(_ALL, "current"), Token)

    async def revoke(self, token: int) -> None:
        """End a token's life at once."""
        await self._transport.exchange("DELETE", below(_ALL, token))
