"""Everything that happens, as it happens."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.params import HeaderParameter
from litestar.response import Stream

from quarters.model.errors import Invalid
from quarters.model.event import Happening
from quarters.model.token import Scope
from quarters.protocol.streams import KEEP_ALIVE, LAST_EVENT_ID, MEDIA_TYPE, StreamEvent, encode
from quarters.server.routes import API, Followed, Given, needs
from quarters.server.services import Services
from quarters.server.streams import Streams, event_stream
from quarters.storage import events
from quarters.storage.wakeups import Topic

_LONGEST_ID = 18
_FORGOTTEN = "events.forgotten"

Last = Annotated[
    str | None,
    HeaderParameter(
        name=LAST_EVENT_ID,
        max_length=_LONGEST_ID,
        description="Go on after this event; without it, from now.",
    ),
]


@get("/", media_type=MEDIA_TYPE, **needs(Scope.READ, "followEvents"))
async def follow_events(services: Given, streams: Followed, last: Last = None) -> Stream:
    """Follow what happens: each event is named by its kind, with a Happening as JSON in its data.

    Where events after Last-Event-ID were removed because of their age, or no event has that id since an older backup was
    restored, the first event says `events.forgotten`.
    """
    if last is not None and not (last.isascii() and last.isdigit()):
        raise Invalid("Last-Event-ID is not the id of an event.")
    after = await services.database.read(events.newest) if last is None else int(last)
    return event_stream(_happenings(services, streams, after))


async def _happenings(services: Services, streams: Streams, after: int) -> AsyncIterator[bytes]:
    yield KEEP_ALIVE
    if await services.database.read(events.missed, after):
        after = min(after, await services.database.read(events.newest))
        yield encode(StreamEvent(_FORGOTTEN, msgspec.json.encode(_gap(after)).decode(), str(after)))
    while not streams.closed:
        mark = streams.mark(Topic.EVENTS)
        found = await services.database.read(events.after, after)
        for happening in found:
            after = happening.id
            data = msgspec.json.encode(happening).decode()
            yield encode(StreamEvent(happening.kind, data, str(after)))
        if not found and not await streams.wait(Topic.EVENTS, mark):
            yield KEEP_ALIVE


def _gap(after: int) -> Happening:
    return Happening(id=after, at=datetime.now(UTC), kind=_FORGOTTEN, subject="", data={})


def router() -> Router:
    """The routes of this resource."""
    return Router(f"{API}/events", route_handlers=[follow_events], tags=["events"])
