"""The one table that every benchmark's numbers go into."""

from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One measurement: `ratio` is its value divided by the rival's; the goal is in words, `met` None where there is none."""

    name: str
    value: float
    unit: str
    rival: str = ""
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None


_HEAD = ("ratio", "benchmark", "value", "against", "goal", "met")


def lines(rows: Sequence[Row]) -> list[str]:
    """The table as text: ratios first, as absolute times say more about the machine than about Quarters."""
    cells = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    ruled = [cells[0], tuple("-" * width for width in widths), *cells[1:]]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in ruled
    ]


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    print("\n".join(lines(rows)))


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
    met = {None: "", True: "yes", False: "NO"}[row.met]
    value = f"{row.value:,.0f}" if float(row.value).is_integer() else f"{row.value:,.3f}"
    return (ratio, row.name, f"{value} {row.unit}".rstrip(), row.rival, row.goal, met)
