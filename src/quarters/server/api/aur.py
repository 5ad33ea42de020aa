"""The Arch User Repository: search it, and follow packages of it."""

from typing import Annotated

from litestar import Router, get, post
from litestar.params import JSONBody, QueryParameter

from quarters.model.token import Scope
from quarters.protocol.aur import AurAdded, AurFound, AurWish
from quarters.server.routes import API, Given, needs

Words = Annotated[
    str,
    QueryParameter(
        name="query", min_length=2, max_length=200, pattern=r"^[^\x00]*$", description="What to look for."
    ),
]


@get("/packages", **needs(Scope.READ, "searchAur"))
async def search_aur(services: Given, words: Words) -> list[AurFound]:
    """Packages of the AUR whose name or description matches, the most voted for first."""
    return await services.aur.search(words)


@post("/additions", **needs(Scope.ADMIN, "addFromAur", 404, 409, 413))
async def add_from_aur(services: Given, data: JSONBody[AurWish]) -> AurAdded:
    """Follow packages of the AUR with all that they need; or, for a dry run, say what that would be."""
    return await services.aur.add(data)


def router() -> Router:
    """The routes of this resource."""
    return Router(f"{API}/aur", route_handlers=[search_aur, add_from_aur], tags=["aur"])
