"""What each source was given lately, in seconds of building, so that none has the builders for itself."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from quarters.planning.shares import Service
from quarters.storage.schema import shares

_SERVED = select(shares)


def served(connection: Connection) -> dict[str, Service]:
    """By source."""
    return {row.source: Service(row.seconds, row.at) for row in connection.execute(_SERVED)}


def charge(connection: Connection, given: Mapping[str, float], now: datetime) -> None:
    """Note that each of these sources was given so many seconds more; what no longer counts is forgotten."""
    before = served(connection)
    for source, seconds in given.items():
        service = before.pop(source, None)
        after = (service or Service(0.0, now)).more(seconds, now)
        values = {"seconds": after.seconds, "at": after.at}
        if service is None:
            connection.execute(insert(shares).values(source=source, **values))
        else:
            connection.execute(update(shares).where(shares.c.source == source).values(values))
    stale = [source for source, service in before.items() if service.remembered(now) == 0]
    if stale:
        connection.execute(delete(shares).where(shares.c.source.in_(sorted(stale))))
