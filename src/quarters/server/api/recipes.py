"""Recipes: list, search, show."""

from litestar import Router, get

from quarters.model.token import Scope
from quarters.protocol.resources import Page, RecipeView
from quarters.server.routes import API, LIMIT, Cursor, Given, Limit, OfName, Package, Search, needs


@get("/", **needs(Scope.READ, "listRecipes"))
async def list_recipes(
    services: Given,
    text: Search = None,
    source: OfName = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Page[RecipeView]:
    """What the sources have, by pkgbase; `query` is part of a name or description."""
    return await services.sources.recipes(text or "", source, limit, cursor)


@get("/{pkgbase:str}", **needs(Scope.READ, "showRecipe", 404))
async def show_recipe(services: Given, pkgbase: Package, source: OfName = None) -> RecipeView:
    """One recipe, of the given source or of the first that has it."""
    return await services.sources.recipe(pkgbase, source)


def router() -> Router:
    """The routes of this resource."""
    return Router(f"{API}/recipes", route_handlers=[list_recipes, show_recipe], tags=["recipes"])
