"""Everything that happens, as a client follows it."""

from collections.abc import AsyncIterator

from quarters.model.event import Happening
from quarters.protocol.client.transport import Transport, below


class Events:
    """`/api/v1/events`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def follow(self, after: int | None = None) -> AsyncIterator[Happening]:
        """What happens from now on, or after the event `after`, over lost connections, without end or gap."""
        last_id = "" if after is None else str(after)
        async for event in self._transport.follow(below("events"), last_id=last_id):
            if event.name != "ping":
                yield self._transport.decoded(event.data.encode(), Happening)
