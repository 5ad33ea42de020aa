"""The forge at which changes of a tree that wait become merge requests."""

from litestar import Router, delete, get, put
from litestar.params import JSONBody

from quarters.model.forge import Forge
from quarters.model.token import Scope
from quarters.protocol.forges import NewForge
from quarters.server.routes import API, Given, Name, needs


@get("/{name:str}/forge", **needs(Scope.READ, "showForge", 404))
async def show_forge(services: Given, name: Name) -> Forge:
    """Where the source's changes are shown; its token is not."""
    return await services.showing.show(name)


@put("/{name:str}/forge", **needs(Scope.ADMIN, "setForge", 404, 413))
async def set_forge(services: Given, name: Name, data: JSONBody[NewForge]) -> Forge:
    """Open a merge request for each change that waits, and follow it until it is merged or closed."""
    return await services.showing.set(name, data)


@delete("/{name:str}/forge", **needs(Scope.ADMIN, "removeForge", 404))
async def remove_forge(services: Given, name: Name) -> None:
    """Open no more merge requests."""
    await services.showing.remove(name)


def router() -> Router:
    """The routes of this resource."""
    return Router(f"{API}/sources", route_handlers=[show_forge, set_forge, remove_forge], tags=["sources"])
