"""When a schedule fires: cron expressions of five fields, Vieter's of two to four, and `@daily` and its like."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from itertools import islice
from types import MappingProxyType
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from quarters.model.errors import Invalid

# crontab(5), "EXTENSIONS".
_NICKNAMES: Mapping[str, str] = MappingProxyType(
    {
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
        "@monthly": "0 0 1 * *",
        "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@hourly": "0 * * * *",
    }
)
_FIELDS = 5
_FEWEST = 2


class Schedule(msgspec.Struct, frozen=True):
    """A cron expression and the time zone (tz database name) whose clock it is read from."""

    expression: str
    timezone: str = "UTC"

    def check(self) -> None:
        """Invalid, in one sentence, if it is no expression, if its time zone is unknown, or if it never fires."""
        self.after(datetime(2000, 1, 1, tzinfo=UTC))

    def times(self, after: datetime, count: int) -> list[datetime]:
        """The next `count` times after `after`, in its time zone; Invalid as for `check`."""
        return list(islice(self._from(after), count))

    def after(self, moment: datetime) -> datetime:
        """The first time after `moment`, in UTC; Invalid as for `check`."""
        return next(self._from(moment)).astimezone(UTC)

    def _from(self, after: datetime) -> Iterator[datetime]:
        fields = _five(self.expression)
        zone = self._zone()
        try:
            for found in CronSim(fields, after.astimezone(zone)):
                # Within the hour that comes twice when summer time ends, it begins with the first of the two.
                if found > after:
                    yield found
        except CronSimError as error:
            raise Invalid(f"{self.expression!r} is no schedule: {_complaint(str(error))}.") from None
        raise Invalid(f"{self.expression!r} never fires.")

    def _zone(self) -> tzinfo:
        if self.timezone == "UTC":
            return UTC
        try:
            return ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise Invalid(
                f"There is no time zone {self.timezone!r}; name one as Europe/Brussels is named."
            ) from None


def _five(expression: str) -> str:
    """The expression as crontab(5) has it.

    Vieter (docs/content/usage/builds/schedule.md) writes minute, hour, day and month, of which the last two may be left
    out; in `a-a/n` it never looks beyond a, where cronsim would go on to the end of the range.
    """
    if expression.startswith("@"):
        try:
            return _NICKNAMES[expression.lower()]
        except KeyError:
            known = ", ".join(_NICKNAMES)
            raise Invalid(f"{expression!r} is no schedule: there are {known}.") from None
    fields = expression.split()
    if not _FEWEST <= len(fields) <= _FIELDS:
        raise Invalid(
            f"{expression!r} is no schedule: it has {len(fields)} field{'s' * (len(fields) != 1)}, and takes 2 to 5 "
            "(minute, hour, day, month, weekday)."
        )
    fields += ["*"] * (_FIELDS - len(fields))
    return " ".join(",".join(map(_plain, field.split(","))) for field in fields)


def _plain(part: str) -> str:
    low, _, rest = part.partition("-")
    high, _, step = rest.partition("/")
    return low if low == high and step.isdecimal() and int(step) else part


def _complaint(said: str) -> str:
    """What cronsim says (`Bad day-of-month`) as the end of a sentence."""
    return f"its {said.removeprefix('Bad ')} is misspelt or never comes"
