"""Tokens: list, create, revoke."""

from litestar import Router, delete, get, post
from litestar.params import JSONBody

from quarters.model.token import Scope, Token
from quarters.protocol.resources import CreatedToken, NewToken, Page
from quarters.server.auth import bearer
from quarters.server.routes import API, LIMIT, Asking, Cursor, Given, Id, Limit, needs


@get("/", **needs(Scope.ADMIN, "listTokens"))
async def list_tokens(services: Given, limit: Limit = LIMIT, cursor: Cursor = None) -> Page[Token]:
    """All tokens, oldest first, without their secrets."""
    return await services.tokens.list(limit, cursor)


@post("/", **needs(Scope.ADMIN, "createToken", 413))
async def create_token(services: Given, data: JSONBody[NewToken]) -> CreatedToken:
    """Create a token. Its secret is in this answer and nowhere else."""
    return await services.tokens.create(data)


@get("/current", **needs(Scope.READ, "showCurrentToken"))
async def show_current_token(request: Asking) -> Token:
    """The token that this request bears, without its secret."""
    return bearer(request)


@delete("/{token:int}", **needs(Scope.ADMIN, "revokeToken", 404))
async def revoke_token(services: Given, token: Id) -> None:
    """End a token's life at once."""
    await services.tokens.revoke(token)


def router() -> Router:
    """The routes of this resource."""
    handlers = [list_tokens, create_token, show_current_token, revoke_token]
    return Router(f"{API}/tokens", route_handlers=handlers, tags=["tokens"])
