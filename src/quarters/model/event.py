"""Something that happened, kept so that followers can catch up."""

from datetime import datetime

import msgspec


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the event log; ids rise."""

    id: int
    at: datetime
    kind: str
    subject: str
    data: dict[str, str | int | None]
