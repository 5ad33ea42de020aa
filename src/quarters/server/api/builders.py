"""Builders: list, show, drain, disable, enable, remove."""

from litestar import Router, delete, get, post

from quarters.model.token import Scope
from quarters.protocol.resources import BuilderView, Page
from quarters.server.routes import API, LIMIT, Cursor, Given, Limit, Name, needs


@get("/", **needs(Scope.READ, "listBuilders"))
async def list_builders(services: Given, limit: Limit = LIMIT, cursor: Cursor = None) -> Page[BuilderView]:
    """All builders by name."""
    return await services.builders.list(limit, cursor)


@get("/{name:str}", **needs(Scope.READ, "showBuilder", 404))
async def show_builder(services: Given, name: Name) -> BuilderView:
    """One builder."""
    return await services.builders.show(name)


@post("/{name:str}/drain", status_code=200, **needs(Scope.ADMIN, "drainBuilder", 404))
async def drain_builder(services: Given, name: Name) -> BuilderView:
    """Let it finish what it has and give it nothing new."""
    return await services.builders.drain(name)


@post("/{name:str}/disable", status_code=200, **needs(Scope.ADMIN, "disableBuilder", 404))
async def disable_builder(services: Given, name: Name) -> BuilderView:
    """Give it nothing new, and take from it at once what it is building."""
    return await services.builders.disable(name)


@post("/{name:str}/enable", status_code=200, **needs(Scope.ADMIN, "enableBuilder", 404))
async def enable_builder(services: Given, name: Name) -> BuilderView:
    """Give it work again."""
    return await services.builders.enable(name)


@delete("/{name:str}", **needs(Scope.ADMIN, "removeBuilder", 404, 409))
async def remove_builder(services: Given, name: Name) -> None:
    """Forget a builder; it appears again if it asks for work again."""
    await services.builders.remove(name)


def router() -> Router:
    """The routes of this resource."""
    handlers = [list_builders, show_builder, drain_builder, disable_builder, enable_builder, remove_builder]
    return Router(f"{API}/builders", route_handlers=handlers, tags=["builders"])
