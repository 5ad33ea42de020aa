"""Who may do what: every route needs a scope, and a guard holds the bearer's token against it."""

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from quarters.model.errors import Forbidden, Unauthenticated
from quarters.model.token import Scope, Token
from quarters.server.tokens import Tokens

NEEDS = "scope"
"""Where a route's options name the scope that it needs; a route without it is for everybody."""

Connection = ASGIConnection[Any, Any, Any, Any]


class Guard:
    """Refuses requests without a good enough token, and leaves the token with those that it lets through."""

    def __init__(self, tokens: Tokens, *, open_reading: bool) -> None:
        self._tokens = tokens
        self._open_reading = open_reading

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Raise Unauthenticated or Forbidden, or return."""
        needed: Scope | None = handler.opt.get(NEEDS)
        if needed is None:
            return
        # A token that is shown must be good even where none is needed: its bearer believes in it.
        secret = _secret(connection)
        if secret is None:
            if needed is Scope.READ and self._open_reading:
                return
            raise Unauthenticated
        token = await self._tokens.bearer(secret)
        if not token.scope.allows(needed):
            raise Forbidden(f"A token of the scope `{token.scope}` does not allow this; it takes `{needed}`.")
        connection.scope["user"] = token


def bearer(connection: Connection) -> Token:
    """Who makes this request, on a route that needs more than reading."""
    token = connection.scope.get("user")
    if not isinstance(token, Token):
        raise Unauthenticated
    return token


def actor(request: Request[Any, Any, Any]) -> str:
    """Who is named as having done what this request does."""
    return bearer(request).name


def _secret(connection: Connection) -> str | None:
    """The secret in the Authorization header, None where there is no such header."""
    header = connection.headers.get("authorization")
    if header is None:
        return None
    scheme, _, secret = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Unauthenticated("Send a token as `Authorization: Bearer <token>`.")
    return secret.strip()
