"""A fair share of the builders for each source: who had more than that of late comes later."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import msgspec

from quarters.planning.order import STEP

HALF_LIFE = timedelta(hours=6)
"""After this time, what a source was given counts half."""
_TRIFLE = 1.0


class Service(msgspec.Struct, frozen=True):
    """Seconds of building that a source was given, as they counted `at` that time."""

    seconds: float
    at: datetime

    def remembered(self, now: datetime) -> float:
        """What of it still counts."""
        age: float = max(now - self.at, timedelta()) / HALF_LIFE
        remembered: float = self.seconds * 0.5**age
        return remembered if remembered >= _TRIFLE else 0.0

    def more(self, seconds: float, now: datetime) -> "Service":
        """After so many seconds more."""
        return Service(self.remembered(now) + seconds, max(now, self.at))


def handicap(source: str, served: Mapping[str, float], competing: Collection[str]) -> timedelta:
    """How much later than it is due what `source` wants comes, `competing` being the sources that want something now.

    It grows with what the source had beyond an equal share, up to a step of priority for twice as much: so it outweighs
    the age of a long backlog, but not a person's word, and nothing waits for ever.
    """
    total = sum(served.get(one, 0.0) for one in competing)
    if source not in competing or total <= 0:
        return timedelta()
    shares = served.get(source, 0.0) / total * len(competing)
    return STEP * min(1.0, max(0.0, shares - 1.0))
