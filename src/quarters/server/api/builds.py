"""Builds: list, request, show, cancel, retry, forget."""

from datetime import datetime
from typing import Annotated

from litestar import Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, JSONBody, QueryParameter

from quarters.model.build import Build, Reason, State
from quarters.model.token import Scope
from quarters.protocol.resources import (
    BuildFilter,
    BuildRequest,
    BuildView,
    Cancellation,
    Cancelled,
    Forgotten,
    Page,
    Requested,
    Retried,
    Retry,
)
from quarters.protocol.snapshots import Cleaning
from quarters.server.routes import (
    API,
    LIMIT,
    Actor,
    Cursor,
    Given,
    Id,
    Limit,
    OfName,
    OfPackage,
    OfRequest,
    needs,
)

InState = Annotated[State | None, QueryParameter(name="state")]


async def build_filter(
    now: InState = None,
    repository: OfName = None,
    pkgbase: OfPackage = None,
    reason: FromQuery[Reason | None] = None,
    since: FromQuery[datetime | None] = None,
    wanted_by: OfRequest = None,
) -> BuildFilter:
    """Which builds are asked for: `since` is when they were created at the earliest, `request` the one that wants them."""
    return BuildFilter(
        state=now, repository=repository, pkgbase=pkgbase, reason=reason, since=since, request=wanted_by
    )


@get("/", dependencies={"which": Provide(build_filter)}, **needs(Scope.READ, "listBuilds"))
async def list_builds(
    services: Given, which: NamedDependency[BuildFilter], limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[Build]:
    """Builds that match, newest first."""
    return await services.builds.list(which, limit, cursor)


@post("/", **needs(Scope.BUILD, "requestBuilds", 404, 409, 413))
async def request_builds(services: Given, actor: Actor, data: JSONBody[BuildRequest]) -> Requested:
    """Queue packages with everything that they need."""
    return await services.requests.request(data, actor)


@get("/{build:int}", **needs(Scope.READ, "showBuild", 404))
async def show_build(services: Given, build: Id) -> BuildView:
    """One build: why it waits or how it ended, its steps, what it needs."""
    return await services.builds.show(build)


@post("/{build:int}/cancel", status_code=200, **needs(Scope.BUILD, "cancelBuild", 404, 409))
async def cancel_build(services: Given, actor: Actor, build: Id) -> BuildView:
    """End a build that is not over yet."""
    return await services.builds.cancel(build, actor)


@post("/{build:int}/retry", status_code=200, **needs(Scope.BUILD, "retryBuild", 404, 409))
async def retry_build(services: Given, actor: Actor, build: Id) -> BuildView:
    """Queue a build that failed, timed out or was cancelled once more."""
    return await services.builds.retry(build, actor)


@post("/cancellations", status_code=200, **needs(Scope.BUILD, "cancelBuilds", 404, 413))
async def cancel_builds(services: Given, actor: Actor, data: JSONBody[Cancellation]) -> Cancelled:
    """End all that a request wants; builds that another request wants too go on."""
    return await services.builds.cancel_all(data, actor)


@post("/retries", status_code=200, **needs(Scope.BUILD, "retryBuilds", 413))
async def retry_builds(services: Given, actor: Actor, data: JSONBody[Retry]) -> Retried:
    """Queue once more all that ended badly and matches; what a later build has overtaken is left alone."""
    return await services.builds.retry_all(data, actor)


@post("/cleanings", **needs(Scope.ADMIN, "cleanBuilds", 413))
async def clean_builds(services: Given, data: JSONBody[Cleaning]) -> Forgotten:
    """Forget builds that are over, their logs, and old events, as far as no rule keeps them."""
    return await services.build_history.clean(dry_run=data.dry_run)


def router() -> Router:
    """The routes of this resource."""
    handlers = [
        list_builds,
        request_builds,
        show_build,
        cancel_build,
        retry_build,
        cancel_builds,
        retry_builds,
        clean_builds,
    ]
    return Router(f"{API}/builds", route_handlers=handlers, tags=["builds"])
