"""Reviews as a client sees them."""

import msgspec

from quarters.model.review import Review
from quarters.protocol.client.transport import Transport, below
from quarters.protocol.resources import Page
from quarters.protocol.reviews import Decision, ReviewFilter, ReviewView

_ALL = "reviews"
_ANY = ReviewFilter()


class Reviews:
    """`/api/v1/reviews`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self, which: ReviewFilter = _ANY, *, limit: int | None = None, cursor: str | None = None
    ) -> Page[Review]:
        """Reviews, the newest first."""
        params = msgspec.structs.asdict(which) | {"limit": limit, "cursor": cursor}
        return await self._transport.call("GET", below(_ALL), Page[Review], params=params)

    async def show(self, number: int) -> ReviewView:
        """One review with its diff, or NotFound."""
        return await self._transport.call("GET", below(_ALL, str(number)), ReviewView)

    async def decide(self, number: int, decision: Decision) -> Review:
        """Approve or reject it; Conflict if it does not wait any more."""
        address = below(_ALL, str(number), "decision")
        return await self._transport.call("POST", address, Review, send=decision)
