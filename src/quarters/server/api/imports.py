"""Imports of whole repositories: weigh what is offered, take files, list them all at once."""

from typing import Annotated

from litestar import Router, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody, QueryParameter, SkipValidation

from quarters.model.token import Scope
from quarters.protocol.imports import Held, Import, Imported, Offer, Verdicts
from quarters.publishing.verify import Delivered
from quarters.server.bodies import chunks, signature_in
from quarters.server.routes import (
    API,
    Actor,
    Asking,
    FileName,
    Given,
    Name,
    Offset,
    RawBody,
    Signature,
    needs,
)

_LONGEST = 16 << 20
"""Bytes of a request that names some 240,000 packages."""

Sha256 = Annotated[str, QueryParameter(pattern=r"^[0-9a-f]{64}$", description="What its index says.")]
Announced = NamedDependency[SkipValidation[Delivered]]


def announced(file_name: FileName, size: Offset, sha256: Sha256) -> Delivered:
    """The file that is to come."""
    return Delivered(file_name=file_name, size=size, sha256=sha256)


@post("/offers", status_code=200, **needs(Scope.PUBLISH, "weighImport", 404, 413))
async def weigh_import(services: Given, name: Name, data: JSONBody[Offer]) -> Verdicts:
    """What an import would do with packages: which are listed already, which have to be sent, which are refused and why."""
    return Verdicts(packages=await services.imports.weigh(name, data))


@put(
    "/files/{file_name:str}",
    operation_class=RawBody,
    request_max_body_size=None,
    dependencies={"announced": Provide(announced, sync_to_thread=False)},
    **needs(Scope.PUBLISH, "sendImportedFile", 404, 409, 413, 507),
)
async def send_imported_file(
    request: Asking, services: Given, name: Name, announced: Announced, signature: Signature = None
) -> Held:
    """Send a package file without listing it yet."""
    async with services.uploads.received(chunks(request, services.uploads.limit)) as path:
        return await services.imports.take(name, announced, path, signature_in(signature))


@post("/", request_max_body_size=_LONGEST, **needs(Scope.PUBLISH, "publishImport", 404, 409, 413))
async def publish_import(services: Given, actor: Actor, name: Name, data: JSONBody[Import]) -> Imported:
    """List packages that were sent, or that the server has already, all in one snapshot."""
    return await services.imports.publish(name, data, actor)


def router() -> Router:
    """The routes of this resource."""
    handlers = [weigh_import, send_imported_file, publish_import]
    return Router(f"{API}/repositories/{{name:str}}/imports", route_handlers=handlers, tags=["imports"])
