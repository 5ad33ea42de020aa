"""Updates: what is known about the upstreams of a source's recipes, and looking at them now."""

from litestar import Router, get, post
from litestar.params import JSONBody

from quarters.model.token import Scope
from quarters.protocol.updates import UpdateReport, UpdatesView, UpdateWish
from quarters.server.routes import API, Given, Name, needs


@get("/{name:str}/updates", **needs(Scope.READ, "showUpdates", 404))
async def show_updates(services: Given, name: Name) -> UpdatesView:
    """How the last run went, when the next one and each trigger is due, and which recipes are stale."""
    return await services.updates.show(name)


@post("/{name:str}/updates", status_code=200, **needs(Scope.BUILD, "updateSource", 404, 409, 413, 503))
async def update_source(services: Given, name: Name, data: JSONBody[UpdateWish]) -> UpdateReport:
    """Ask to look at upstreams now, or fire a named trigger; a dry run tells at once what would be."""
    return await services.updates.ask(name, data)


def router() -> Router:
    """The routes of this resource."""
    return Router(f"{API}/sources", route_handlers=[show_updates, update_source], tags=["sources"])
