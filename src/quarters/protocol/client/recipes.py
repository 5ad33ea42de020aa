"""Recipes as a client sees them."""

from quarters.protocol.client.transport import Transport, below
from quarters.protocol.resources import Page, RecipeView

_ALL = "recipes"


class Recipes:
    """`/api/v1/recipes`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        query: str | None = None,
        source: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[RecipeView]:
        """Recipes by pkgbase; `query` is part of it."""
        params = {"query": query, "source": source, "limit": limit, "cursor": cursor}
        return await self._transport.call("GET", below(_ALL), Page[RecipeView], params=params)

    async def show(self, pkgbase: str) -> RecipeView:
        """One recipe, or NotFound."""
        return await self._transport.call("GET", below(_ALL, pkgbase), RecipeView)
