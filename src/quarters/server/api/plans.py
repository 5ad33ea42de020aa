"""Plans: what would be built, in which order and why."""

from litestar import Router, post
from litestar.params import JSONBody

from quarters.model.token import Scope
from quarters.planning.plan import Plan
from quarters.protocol.resources import PlanRequest
from quarters.server.routes import API, Given, needs


@post("/", status_code=200, **needs(Scope.BUILD, "plan", 404, 409, 413))
async def plan(services: Given, data: JSONBody[PlanRequest]) -> Plan:
    """Plan without queueing anything."""
    return await services.requests.plan(data)


def router() -> Router:
    """The routes of this resource."""
    return Router(f"{API}/plans", route_handlers=[plan], tags=["builds"])
