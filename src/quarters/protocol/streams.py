"""Server-sent events: how a stream of them is written and read, and what a followed log says."""

from collections.abc import AsyncIterator, Iterator

import msgspec

from quarters.model.build import State

MEDIA_TYPE = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"
KEEP_ALIVE = b": still here\n\n"


class LogText(msgspec.Struct, frozen=True):
    """Whole lines of a build's log with their ends; `offset` is the byte after them in the log of `attempt`.

    Carriage returns have become line feeds, and what is no UTF-8 has become replacement characters.
    """

    attempt: int
    offset: int
    text: str


class LogEnd(msgspec.Struct, frozen=True):
    """The build is over and its log complete."""

    state: State


class StreamEvent(msgspec.Struct, frozen=True):
    """One event of a stream."""

    name: str
    data: str
    id: str = ""


class LogPlace(msgspec.Struct, frozen=True):
    """A place in the log of a build, which is also the id of the events that follow it: `<attempt>:<offset>`."""

    attempt: int
    offset: int

    def __str__(self) -> str:
        """As an event's id."""
        return f"{self.attempt}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "LogPlace | None":
        """Read an event's id; None if it is not one."""
        attempt, _, offset = text.partition(":")
        if all(part.isascii() and part.isdigit() and len(part) < 19 for part in (attempt, offset)):
            return cls(int(attempt), int(offset))
        return None


def encode(event: StreamEvent) -> bytes:
    """The bytes of one event; every line of its data becomes a `data:` line, whatever ends it."""
    # A carriage return ends a line of an event stream too, so that one in the data must begin a line of its own.
    data = event.data.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\ndata: ")
    number = f"\nid: {event.id}" if event.id else ""
    return f"event: {event.name}{number}\ndata: {data}\n\n".encode(errors="replace")


class _Reader:
    """Puts events together from lines."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._id = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[StreamEvent]:
        """The events that `chunk` completes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if event := self._line(line.rstrip(b"\r").decode(errors="replace")):
                yield event

    def _line(self, line: str) -> StreamEvent | None:
        if not line:
            event = (
                StreamEvent(self._name or "message", "\n".join(self._data), self._id) if self._data else None
            )
            self._name, self._data = "", []
            return event
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                self._name = value
            case "id":
                self._id = value
            case "data":
                self._data.append(value)
        return None


async def decode(chunks: AsyncIterator[bytes]) -> AsyncIterator[StreamEvent]:
    """The events in a stream of bytes; one that is cut off is left out, the follower asks for it again."""
    reader = _Reader()
    async for chunk in chunks:
        for event in reader.feed(chunk):
            yield event
