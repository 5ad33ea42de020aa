"""How results look: tables for people, JSON for machines, colour on terminals only."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from quarters.cli.terminal import harmless
from quarters.model.build import State

Json = Annotated[
    bool,
    Parameter(name="--json", negative=(), show_default=False, help="Print JSON, as the HTTP API shows it."),
]
Repo = Annotated[str | None, Parameter(name="--repo", help="Repository; may be left out if there is one.")]
Arch = Annotated[str | None, Parameter(name="--arch", help="Architecture, as pacman names it.")]
DryRun = Annotated[
    bool, Parameter(name="--dry-run", negative=(), show_default=False, help="Only say what would be done.")
]
Yes = Annotated[bool, Parameter(name="--yes", negative=(), show_default=False, help="Do not ask.")]

STYLES = {
    State.WAITING: "dim",
    State.BLOCKED: "yellow",
    State.READY: "blue",
    State.RUNNING: "cyan",
    State.PUBLISHING: "cyan",
    State.SUCCEEDED: "green",
    State.SKIPPED: "green",
    State.FAILED: "red",
    State.TIMED_OUT: "red",
    State.CANCELLED: "dim",
    State.SUPERSEDED: "dim",
}

_UNBOUNDED = 10_000
"""Columns where there is no terminal: nothing is cut off in a pipe."""

_GAP = 2
"""Blanks between columns."""


def console() -> Console:
    """Standard output: as wide as the terminal, or as wide as it needs to be."""
    width = None if sys.stdout.isatty() else _UNBOUNDED
    return Console(width=width, highlight=False, soft_wrap=False, emoji=False, markup=False)


def show(thing: object) -> None:
    """Print as JSON, as the API has it."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(thing, enc_hook=_text), indent=2) + b"\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """Print a line for people."""
    print(harmless(text), flush=True)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "") -> None:
    """Print rows below headings; None is a dash.

    A column whose heading begins with > is right-aligned; one whose heading ends with ? is left out
    where the terminal is too narrow, the last of them first.
    """
    cells = [[it if isinstance(it, Text) else Text(_plain(it)) for it in row] for row in rows]
    shown = fitting(headings, [[it.cell_len for it in row] for row in cells], console().width)
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for index in shown:
        justify: Literal["left", "right"] = "right" if headings[index].startswith(">") else "left"
        grid.add_column(headings[index].strip(">?"), justify=justify, overflow="fold")
    for row in cells:
        grid.add_row(*(row[index] for index in shown))
    if grid.row_count or not empty:
        _print(grid)
    else:
        say(empty)


def gone(name: str | int, sentence: str, *, json: bool) -> None:
    """Say that something is there no more."""
    return show({"removed": name}) if json else say(sentence)


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Print names and values below each other; those without a value are left out."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, value in pairs:
        if value not in (None, "", (), []):
            grid.add_row(Text(name, "bold"), value if isinstance(value, Text) else Text(_plain(value)))
    _print(grid)


def fitting(headings: Sequence[str], lengths: Sequence[Sequence[int]], width: int) -> list[int]:
    """The columns that are shown in `width`, from the lengths of the cells of each row."""
    widths = [
        _GAP + max([len(heading.strip(">?")), *(row[index] for row in lengths)])
        for index, heading in enumerate(headings)
    ]
    shown = list(range(len(headings)))
    for index in reversed(range(len(headings))):
        if headings[index].endswith("?") and sum(widths[it] for it in shown) > width:
            shown.remove(index)
    return shown


def _print(grid: Table) -> None:
    out = console()
    with out.capture() as capture:
        out.print(grid)
    # rich fills cells up to their width; a pipe is better off without trailing blanks.
    print(harmless("\n".join(line.rstrip() for line in capture.get().splitlines())))


def state(value: State) -> Text:
    """A state in its colour."""
    return Text(value.replace("_", " "), STYLES[value])


def ago(moment: datetime | None) -> str:
    """How long ago, roughly."""
    if moment is None:
        return "never"
    seconds = (datetime.now(UTC) - moment).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 1 else "just now"


def duration(seconds: float) -> str:
    """`8 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`."""
    whole = max(0, round(seconds))
    for unit, size, lower, divisor in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // divisor
            return f"{whole // size} {unit} {rest} {lower}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def size(count: float) -> str:
    """Bytes in the unit that suits."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def at_once(limit: int) -> str:
    """A limit of builds, in words."""
    return str(limit) if limit else "any number"


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether to go on: asked on a terminal, taken as read elsewhere and with --yes."""
    if yes or not sys.stdin.isatty():
        return True
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is nothing that is shown as JSON")


def _plain(value: object) -> str:
    if value is None or value in ("", ()):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return str(value)
