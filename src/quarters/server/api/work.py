"""The builder's side: claim, then heartbeat, log, artifacts and finish under the lease."""

from typing import Annotated

from litestar import Response, Router, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody, QueryParameter

from quarters.model.errors import Forbidden, Invalid
from quarters.model.token import Scope
from quarters.protocol.builds import (
    ArtifactDigest,
    Assignment,
    ClaimReply,
    ClaimRequest,
    Finish,
    Heartbeat,
    HeartbeatReply,
    Received,
)
from quarters.server.api.lease import Key, lease_key
from quarters.server.auth import bearer
from quarters.server.bodies import chunks
from quarters.server.routes import API, RAW, Asking, FileName, Followed, Given, Offset, RawBody, needs

Announced = NamedDependency[ArtifactDigest]
Sha256 = Annotated[str, QueryParameter(pattern=r"^[0-9a-f]{64}$")]


async def announced(file_name: FileName, size: Offset, sha256: Sha256) -> ArtifactDigest:
    """The file that a builder says it sends."""
    return ArtifactDigest(file_name, size, sha256)


@post("/claims", status_code=200, **needs(Scope.BUILDER, "claim", 413))
async def claim(
    request: Asking, services: Given, streams: Followed, data: JSONBody[ClaimRequest]
) -> ClaimReply:
    """Wait up to `wait` seconds for builds to work on."""
    token = bearer(request)
    if token.scope is Scope.BUILDER and token.name != data.builder:
        raise Forbidden(f"This token belongs to the builder {token.name!r}.")
    return await streams.answer(request, services.leases.claim(data), ClaimReply())


@get("/builds/{build:int}/recipe", media_type=RAW, **needs(Scope.BUILDER, "fetchRecipe", 404, 409))
async def fetch_recipe(services: Given, key: Key) -> Response[bytes]:
    """The recipe's files as a tar archive, as they were when the build was planned."""
    place = await services.leases.recipe_place(key)
    return Response(
        await services.sources.recipe_archive(place.source, place.revision, place.path), media_type=RAW
    )


@post("/builds/{build:int}/heartbeat", status_code=200, **needs(Scope.BUILDER, "heartbeat", 404, 409, 413))
async def heartbeat(services: Given, key: Key, data: JSONBody[Heartbeat]) -> HeartbeatReply:
    """Renew the lease; the reply says whether to go on."""
    return await services.leases.heartbeat(key, data)


@post("/builds/{build:int}/resume", status_code=200, **needs(Scope.BUILDER, "resume", 404, 409))
async def resume(services: Given, key: Key) -> Assignment:
    """Take a build up again whose lease ran out, as its next attempt, if no other builder has it yet."""
    return await services.leases.resume(key)


@put(
    "/builds/{build:int}/artifacts/{file_name:str}",
    operation_class=RawBody,
    request_max_body_size=None,
    dependencies={"artifact": Provide(announced)},
    **needs(Scope.BUILDER, "uploadArtifact", 404, 409, 413, 507),
)
async def upload_artifact(
    request: Asking,
    services: Given,
    key: Key,
    artifact: Announced,
    offset: Offset = 0,
) -> Received:
    """Upload a file from `offset` on; what arrived before a connection broke is kept."""
    if artifact.size > services.uploads.limit:
        raise Invalid(f"An artifact has at most {services.uploads.limit} bytes.")
    body = chunks(request, max(0, artifact.size - offset))
    return await services.leases.receive_artifact(key, artifact, offset, body)


@get("/builds/{build:int}/artifacts/{file_name:str}", **needs(Scope.BUILDER, "artifactReceived", 404, 409))
async def artifact_received(services: Given, key: Key, file_name: FileName) -> Received:
    """How much of an artifact has arrived."""
    return await services.leases.artifact_received(key, file_name)


@post("/builds/{build:int}/finish", status_code=204, **needs(Scope.BUILDER, "finish", 404, 409, 413))
async def finish(services: Given, key: Key, data: JSONBody[Finish]) -> None:
    """Say how the attempt ended; saying the same again does no harm."""
    await services.leases.finish(key, data)


def router() -> Router:
    """The routes of this resource."""
    handlers = [
        claim,
        fetch_recipe,
        heartbeat,
        resume,
        upload_artifact,
        artifact_received,
        finish,
    ]
    dependencies = {"key": Provide(lease_key)}
    return Router(API, route_handlers=handlers, tags=["work"], dependencies=dependencies)
