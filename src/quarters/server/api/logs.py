"""Logs of builds: text from an offset on, or followed as it grows, or added to by the builder."""

from collections.abc import AsyncIterator
from typing import Annotated

from litestar import MediaType, Router, get, post
from litestar.di import Provide
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from quarters.model.build import TERMINAL, State
from quarters.model.errors import Invalid, NotFound
from quarters.model.token import Scope
from quarters.protocol.builds import Received
from quarters.protocol.streams import KEEP_ALIVE, LAST_EVENT_ID, MEDIA_TYPE, LogPlace, StreamEvent, encode
from quarters.server.api.lease import Key, lease_key
from quarters.server.bodies import whole
from quarters.server.routes import API, Asking, Followed, Given, Id, Offset, RawBody, needs
from quarters.server.services import Services
from quarters.server.streams import Streams, event_stream
from quarters.storage.wakeups import Topic

_PIECE = 1 << 20
_MOST_AT_ONCE = 4 << 20
_LONGEST_LINE = 64 << 10
"""Bytes after which a line is shown before it ends."""

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


@get("/{build:int}/log/stream", tags=["logs"], media_type=MEDIA_TYPE, **needs(Scope.READ, "followLog", 404))
async def follow_log(
    services: Given,
    streams: Followed,
    build: Id,
    offset: Offset = 0,
    attempt: Attempt = None,
    last: Last = None,
) -> Stream:
    """Follow the log: `log` events of whole lines, whose ids are `<attempt>:<offset after them>`, then `end`.

    A build that is tried again goes on with the log of its next attempt. The data of `end` is the build's state.
    """
    place = await _place(services, build, attempt, offset)
    if last is not None:
        known = LogPlace.parse(last)
        if known is None:
            raise Invalid("Last-Event-ID is not the id of an event of a log.")
        place = known
    return event_stream(_follow(services, streams, build, place))


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


async def _follow(services: Services, streams: Streams, build: int, place: LogPlace) -> AsyncIterator[bytes]:
    yield KEEP_ALIVE
    topic = Topic.log(build)
    while not streams.closed:
        mark = streams.mark(topic)
        # What the build says is read before its log: after that an ended attempt's log grows no more.
        now = await services.builds.show(build)
        over = now.state in TERMINAL or now.attempt > place.attempt
        piece = await services.builds.log(build, place.attempt, place.offset, _PIECE)
        shown = whole_lines(piece, over=over)
        if shown:
            place = LogPlace(place.attempt, place.offset + len(shown))
            text = shown.decode(errors="replace").removesuffix("\n")
            yield encode(StreamEvent("log", text, str(place)))
        elif now.attempt > place.attempt:
            place = LogPlace(place.attempt + 1, 0)
        elif over:
            yield _end(now.state)
            return
        elif not await streams.wait(topic, mark):
            yield KEEP_ALIVE


def whole_lines(piece: bytes, *, over: bool) -> bytes:
    """The part of `piece` that can be shown: up to its last line end, all of it when no more comes or a line is endless."""
    end = piece.rfind(b"\n") + 1
    if over or (end == 0 and len(piece) >= _LONGEST_LINE):
        # A character that is cut in two shows as two replacement characters; this only happens to endless lines.
        return piece if len(piece) < _PIECE or end == 0 else piece[:end]
    return piece[:end]


def _end(state: State) -> bytes:
    return encode(StreamEvent("end", state))


def router() -> Router:
    """The routes of this resource."""
    return Router(f"{API}/builds", route_handlers=[read_log, follow_log, append_log, log_received])
