"""Checks of repositories."""

from litestar import Router, post
from litestar.params import JSONBody

from quarters.model.token import Scope
from quarters.protocol.checks import Check, Checked
from quarters.server.routes import API, Actor, Given, Name, needs


@post("/", **needs(Scope.ADMIN, "checkRepository", 404, 409, 413))
async def check_repository(services: Given, actor: Actor, name: Name, data: JSONBody[Check]) -> Checked:
    """Hold rows, package files, signatures and indexes against each other, and mend what can be mended."""
    return await services.inspector.check(name, repair=data.repair, actor=actor)


def router() -> Router:
    """The routes of this resource."""
    return Router(
        f"{API}/repositories/{{name:str}}/checks", route_handlers=[check_repository], tags=["checks"]
    )
