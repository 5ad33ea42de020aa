"""Rebuilds: what is built again, what would be worth it, and what becomes visible together."""

from litestar import Router, get, post
from litestar.params import JSONBody

from quarters.model.token import Scope
from quarters.planning.plan import Plan
from quarters.protocol.rebuilds import RebuildRequest, RebuildView, Suggestion
from quarters.protocol.resources import Page, Requested
from quarters.server.routes import API, LIMIT, Actor, Cursor, Given, Id, Limit, OfName, needs


@get("/", **needs(Scope.READ, "listRebuilds"))
async def list_rebuilds(
    services: Given, repository: OfName = None, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[RebuildView]:
    """Builds that become visible together, newest first."""
    return await services.rebuilds.list(repository, limit, cursor)


@post("/", **needs(Scope.BUILD, "requestRebuild", 404, 409, 413))
async def request_rebuild(services: Given, actor: Actor, data: JSONBody[RebuildRequest]) -> Requested:
    """Build packages again, in the order in which they link to each other."""
    return await services.rebuilds.request(data, actor)


@post("/plan", status_code=200, **needs(Scope.BUILD, "planRebuild", 404, 409, 413))
async def plan_rebuild(services: Given, data: JSONBody[RebuildRequest]) -> tuple[Plan, ...]:
    """What would be built again, for each architecture; nothing is queued."""
    return await services.rebuilds.plan(data)


@get("/suggestions", **needs(Scope.READ, "listSuggestedRebuilds"))
async def list_suggested(services: Given, repository: OfName = None) -> tuple[Suggestion, ...]:
    """What links to libraries that are there no more."""
    return await services.rebuilds.suggested(repository)


@get("/{rebuild:int}", **needs(Scope.READ, "showRebuild", 404))
async def show_rebuild(services: Given, rebuild: Id) -> RebuildView:
    """One rebuild: its builds, and what it waits for or how it ended."""
    return await services.rebuilds.show(rebuild)


@post("/{rebuild:int}/publish", status_code=200, **needs(Scope.PUBLISH, "publishRebuild", 404, 409))
async def publish_rebuild(services: Given, rebuild: Id) -> RebuildView:
    """Publish what has succeeded without what has not."""
    return await services.rebuilds.publish(rebuild)


@post("/{rebuild:int}/drop", status_code=200, **needs(Scope.PUBLISH, "dropRebuild", 404, 409))
async def drop_rebuild(services: Given, actor: Actor, rebuild: Id) -> RebuildView:
    """Give a rebuild up: nothing of it is published."""
    return await services.rebuilds.drop(rebuild, actor)


def router() -> Router:
    """The routes of this resource."""
    handlers = [
        list_rebuilds,
        request_rebuild,
        plan_rebuild,
        list_suggested,
        show_rebuild,
        publish_rebuild,
        drop_rebuild,
    ]
    return Router(f"{API}/rebuilds", route_handlers=handlers, tags=["rebuilds"])
