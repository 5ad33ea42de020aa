"""`quarters schedule`: when a schedule fires, said before anything follows it."""

from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.output import Json
from quarters.model.errors import Invalid
from quarters.planning.schedule import Schedule

app = App(
    name="schedule",
    help_epilogue="Expressions: five fields as cron has them (minute, hour, day, month, weekday), two to four of them as "
    "Vieter has them (0 3 is every day at 03:00), or @hourly, @daily, @weekly, @monthly, @yearly.",
)


@app.default
def schedule(
    expression: Annotated[str, Parameter(help="The schedule, in quotes: '30 4 * * 1-5', '0 3', @daily.")],
    /,
    *,
    count: Annotated[int, Parameter(help="How many times to show.")] = 5,
    timezone: Annotated[str, Parameter(help="Whose clock counts, such as Europe/Brussels.")] = "UTC",
    json: Json = False,
) -> None:
    """Show the next times at which a schedule fires; nothing is changed, and no server is needed."""
    if not 1 <= count <= 1000:
        raise Invalid("--count is between 1 and 1000.")
    times = Schedule(expression, timezone).times(datetime.now(UTC), count)
    if json:
        utc = [time.astimezone(UTC) for time in times]
        return output.show({"expression": expression, "timezone": timezone, "times": utc})
    for time in times:
        output.say(f"{time:%a %Y-%m-%d %H:%M} {time.tzname()}")
    return None
