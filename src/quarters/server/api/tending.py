"""Packages of a tree: put, drop, bump; a pushed commit for each."""

from typing import Annotated

from litestar import Router, post, put
from litestar.params import JSONBody, QueryParameter

from quarters.model.token import Scope
from quarters.protocol.tending import Committed, Tending
from quarters.server.bodies import whole
from quarters.server.routes import API, Actor, Asking, Given, Name, Package, RawBody, needs
from quarters.sources.tending import LARGEST

Message = Annotated[
    str, QueryParameter(max_length=2000, pattern=r"^[^\x00]*$", description="What the commit says.")
]


@put(
    "/{name:str}/packages/{package:str}",
    operation_class=RawBody,
    request_max_body_size=None,
    **needs(Scope.ADMIN, "putSourcePackage", 404, 409, 413),
)
async def put_package(
    request: Asking, services: Given, actor: Actor, name: Name, package: Package, message: Message = ""
) -> Committed:
    """Have a folder of the tree hold what a tar archive does, and nothing else."""
    archive = await whole(request, LARGEST)
    return await services.gardener.put(name, package, archive, message, actor)


@post("/{name:str}/drops", status_code=200, **needs(Scope.ADMIN, "dropSourcePackages", 404, 409, 413))
async def drop_packages(
    services: Given, actor: Actor, name: Name, data: JSONBody[Tending]
) -> list[Committed]:
    """Take folders out of the tree; what only they produced leaves the repository with the next sync."""
    return await services.gardener.drop(name, data, actor)


@post("/{name:str}/bumps", status_code=200, **needs(Scope.ADMIN, "bumpSourcePackages", 404, 409, 413))
async def bump_packages(
    services: Given, actor: Actor, name: Name, data: JSONBody[Tending]
) -> list[Committed]:
    """Have packages be built once more, as a higher release of the version that they have."""
    return await services.gardener.bump(name, data, actor)


def router() -> Router:
    """The routes of this resource."""
    handlers = [put_package, drop_packages, bump_packages]
    return Router(f"{API}/sources", route_handlers=handlers, tags=["sources"])
