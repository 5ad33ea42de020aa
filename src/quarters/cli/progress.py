"""Shows builds as they go: a table that moves on a terminal, plain lines elsewhere, JSON lines for machines."""

import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

import msgspec
from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from quarters.cli import output
from quarters.model.build import SATISFIED, Build, State

_MOVING = (State.RUNNING, State.PUBLISHING)
_QUEUED = (State.READY, State.WAITING, State.BLOCKED)
_SHOWN = 20
"""Most builds in the moving table, so that it fits on a screen."""


class Progress(Protocol):
    """Is told what is open and what ended, and shows it; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def update(self, open: Sequence[Build], ended: Sequence[Build], sources: Sequence[str] = ()) -> None:
        """Show what is open now, what ended since the last call, and sources whose recipes are still to be looked at."""
        ...


def progress(*, json: bool) -> Progress:
    """What suits whoever reads the standard output."""
    if json:
        return JsonLines()
    return Moving() if sys.stdout.isatty() else Lines()


class Lines:
    """A line for each start, step and end."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[State, str | None]] = {}
        self._sources: Sequence[str] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to tidy up."""

    def update(self, open: Sequence[Build], ended: Sequence[Build], sources: Sequence[str] = ()) -> None:
        """Print what changed."""
        for source in sources:
            if source not in self._sources:
                self._reading(source)
        self._sources = sources
        for build in (*ended, *open):
            step = build.step if build.state is State.RUNNING else None
            if self._seen.get(build.id) != (build.state, step):
                self._seen[build.id] = (build.state, step)
                self._changed(build)

    def _reading(self, source: str) -> None:
        print(f"  reading the recipes of {source}", flush=True)

    def _changed(self, build: Build) -> None:
        if build.finished_at is not None:
            print(ending(build).plain, flush=True)
        elif build.state in _MOVING:
            doing = build.step if build.state is State.RUNNING and build.step else build.state
            print(f"  {build.id} {build.pkgbase} {build.version}: {doing}, {_elapsed(build)}", flush=True)


class JsonLines(Lines):
    """A build as JSON for each start, step and end."""

    def _reading(self, source: str) -> None:
        """Not a build, so not told."""

    def _changed(self, build: Build) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(build) + b"\n")
        sys.stdout.buffer.flush()


class Moving:
    """What runs, moving at the bottom of the terminal; what ended, above it for good."""

    def __init__(self) -> None:
        self._open: Sequence[Build] = ()
        self._sources: Sequence[str] = ()
        self._spinner = Spinner("dots")
        self._live = Live(
            get_renderable=self._picture, console=output.console(), refresh_per_second=8, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the moving part away."""
        self._open = ()
        self._live.stop()

    def update(self, open: Sequence[Build], ended: Sequence[Build], sources: Sequence[str] = ()) -> None:
        """Show what changed."""
        self._open, self._sources = open, sources
        for build in ended:
            self._live.console.print(ending(build))

    def _picture(self) -> Group:
        grid = Table.grid(padding=(0, 2, 0, 0))
        moving = [build for build in self._open if build.state in _MOVING]
        for build in moving[:_SHOWN]:
            doing = build.step if build.state is State.RUNNING and build.step else build.state
            grid.add_row(
                self._spinner,
                Text(str(build.id), "dim"),
                Text(build.pkgbase, "bold"),
                Text(build.version),
                Text(doing.value, "cyan"),
                Text(_elapsed(build)),
                Text(build.builder or "", "dim"),
            )
        counts = Counter(build.state for build in self._open)
        words = [f"{counts[state]} {state}" for state in (*_MOVING, *_QUEUED) if counts[state]]
        words += [f"reading the recipes of {source}" for source in self._sources]
        return Group(grid, Text(", ".join(words) or "nothing to build", "dim"))


def ending(build: Build) -> Text:
    """A line about a build that is over: how it ended, when, and where to look if it failed."""
    good = build.state in SATISFIED
    mark = "✓" if good else "✗" if build.state in (State.FAILED, State.TIMED_OUT) else "-"
    line = Text.assemble(
        (mark, output.STYLES[build.state]),
        f" {build.id} ",
        (build.pkgbase, "bold"),
        f" {build.version}: {build.state.replace('_', ' ')}",
    )
    if build.started_at is not None:
        line.append(f", {_elapsed(build)}")
    if not good and build.step is not None:
        line.append(f", in step {build.step}")
    if build.message and not good:
        line.append(f": {build.message}")
    if build.state in (State.FAILED, State.TIMED_OUT):
        line.append(f" (quarters log {build.id})", "dim")
    return line


def _elapsed(build: Build) -> str:
    if build.started_at is None:
        return ""
    end = build.finished_at or datetime.now(UTC)
    return output.duration((end - build.started_at).total_seconds())
