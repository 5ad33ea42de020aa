"""Schedules as a client sees them."""

from quarters.model.schedule import ScheduleEntry
from quarters.protocol.client.transport import Transport, below
from quarters.protocol.resources import NewSchedule, Page

_ALL = "schedules"


class Schedules:
    """`/api/v1/schedules`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[ScheduleEntry]:
        """Schedules by source and pkgbase."""
        params = {"limit": limit, "cursor": cursor}
        return await self._transport.call("GET", below(_ALL), Page[ScheduleEntry], params=params)

    async def put(self, new: NewSchedule) -> ScheduleEntry:
        """Set the schedule of a source, or of one of its recipes."""
        return await self._transport.call("POST", below(_ALL), ScheduleEntry, send=new)

    async def delete(self, source: str, pkgbase: str = "") -> None:
        """Remove the schedule of a source, or of one of its recipes."""
        place = below(_ALL, source, pkgbase) if pkgbase else below(_ALL, source)
        await self._transport.exchange("DELETE", place)
