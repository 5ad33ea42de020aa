"""The desk at which people review changes of recipes."""

from collections.abc import Callable
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from quarters.model.review import Review
from quarters.protocol import cursors
from quarters.protocol.resources import Page
from quarters.protocol.reviews import Decision, ReviewFilter, ReviewView
from quarters.sources.comparing import difference
from quarters.sources.reviews import decide
from quarters.sources.sync import SourceSync
from quarters.storage import reviews
from quarters.storage.database import Database
from quarters.storage.wakeups import Topic, Wakeups


class ReviewDesk:
    """Lists changes that wait or were decided, shows what they change, and takes decisions."""

    def __init__(
        self, database: Database, wakeups: Wakeups, sources: SourceSync, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._sources = sources
        self._now = now

    async def list(self, which: ReviewFilter, limit: int, cursor: str | None) -> Page[Review]:
        """Reviews, the newest first."""
        found = await self._database.read(
            reviews.listed,
            states=() if which.state is None else (which.state,),
            source=which.source,
            before=cursors.decode(cursor, int, 0) or None,
            limit=limit + 1,
        )
        return cursors.page(found, limit, lambda review: review.id)

    async def show(self, number: int) -> ReviewView:
        """One review with its diff; NotFound."""
        review = await self._database.read(reviews.get, number)
        mirror = self._sources.mirror(review.source)
        diff = await difference(mirror, review.from_fingerprint, review.to_fingerprint)
        return ReviewView(**msgspec.structs.asdict(review), diff=diff)

    async def decide(self, number: int, decision: Decision, who: str) -> Review:
        """Approve or reject a change, as the person `who`; Conflict if it does not wait any more, NotFound."""

        def settle(connection: Connection) -> Review:
            return decide(
                connection, number, approve=decision.approve, who=who, note=decision.note, now=self._now()
            )

        done = await self._database.write(settle)
        self._wakeups.notify(Topic.SOURCES, Topic.EVENTS)
        return done
