"""Logs of builds: text from an offset on, or followed as it grows, or added to by the builder."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import MediaType, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from quarters.model.errors import Invalid, NotFound
from quarters.model.token import Scope
from quarters.protocol.builds import Received
from quarters.protocol.streams import LAST_EVENT_ID, MEDIA_TYPE, LogPlace
from quarters.server.api.lease import Key, lease_key
from quarters.server.bodies import whole
from quarters.server.files.reply import PARTS
from quarters.server.routes import API, Asking, Given, Id, Offset, RawBody, Tailed, needs
from quarters.server.services import Services
from quarters.server.streams import event_stream

_PIECE = 1 << 20
_MOST_AT_ONCE = 4 << 20

Attempt = Annotated[
    int | None, QueryParameter(ge=0, le=2**31 - 1, description="Which attempt; by default the last.")
]
Last = Annotated[
    str | None, HeaderParameter(name=LAST_EVENT_ID, max_length=40, description="Go on after this event.")
]


@get("/{build:int}/log", tags=["logs"], media_type=MediaType.TEXT, **needs(Scope.READ, "readLog", 404))
async def read_log(services: Given, build: Id, offset: Offset = 0, attempt: Attempt = None) -> Stream:
    """The log as far as it has arrived, from `offset` on; past its end that is nothing."""
    place = await _place(services, build, attempt, offset)
    return Stream(
        _pieces(services, build, place),
        media_type="text/plain; charset=utf-8",
        headers={"Quarters-Attempt": str(place.attempt), "X-Content-Type-Options": "nosniff"},
    )


async def followed_from(
    services: Given, build: Id, offset: Offset = 0, attempt: Attempt = None, last: Last = None
) -> LogPlace:
    """Where a follower goes on."""
    place = await _place(services, build, attempt, offset)
    if last is None:
        return place
    known = LogPlace.parse(last)
    if known is None:
        raise Invalid("Last-Event-ID is not the id of an event of a log.")
    return known


@get(
    "/{build:int}/log/stream",
    dependencies={"place": Provide(followed_from)},
    tags=["logs"],
    media_type=MEDIA_TYPE,
    **needs(Scope.READ, "followLog", 404),
)
async def follow_log(request: Asking, tails: Tailed, build: Id, place: NamedDependency[LogPlace]) -> Stream:
    """Follow the log: `log` events of lines with their ends, whose ids are `<attempt>:<offset after them>`, then `end`.

    A build that is tried again goes on with the log of its next attempt. The data of `end` is the build's state.
    """
    extensions: Any = request.scope.get("extensions") or {}
    return event_stream(tails.follow(build, place, extensions.get(PARTS)))


@post(
    "/{build:int}/log",
    status_code=200,
    operation_class=RawBody,
    dependencies={"key": Provide(lease_key)},
    tags=["work"],
    **needs(Scope.BUILDER, "appendLog", 404, 409, 413, 507),
)
async def append_log(request: Asking, services: Given, key: Key, offset: Offset) -> Received:
    """Add to the log what it holds from `offset` on; what has arrived already does no harm."""
    data = await whole(request, _MOST_AT_ONCE)
    return await services.leases.append_log(key, offset, data)


@get(
    "/{build:int}/log/received",
    dependencies={"key": Provide(lease_key)},
    tags=["work"],
    **needs(Scope.BUILDER, "logReceived", 404, 409),
)
async def log_received(services: Given, key: Key) -> Received:
    """How much of the log has arrived."""
    return await services.leases.log_received(key)


async def _place(services: Services, build: int, attempt: int | None, offset: int) -> LogPlace:
    last = (await services.builds.show(build)).attempt
    if attempt is not None and attempt > last:
        raise NotFound(f"Build {build} has had {last} attempts.")
    return LogPlace(last if attempt is None else attempt, offset)


async def _pieces(services: Services, build: int, place: LogPlace) -> AsyncIterator[bytes]:
    offset = place.offset
    while piece := await services.builds.log(build, place.attempt, offset, _PIECE):
        offset += len(piece)
        yield piece


def router() -> Router:
    """The routes of this resource."""
    return Router(f"{API}/builds", route_handlers=[read_log, follow_log, append_log, log_received])
