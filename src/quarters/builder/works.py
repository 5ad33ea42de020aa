"""Where the builds that a builder claims are worked on."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import structlog

from quarters.model.errors import LeaseLost, QuartersError
from quarters.protocol.builds import Assignment

_report = structlog.stdlib.get_logger(__name__)


class Room(NamedTuple):
    """Bytes of memory and disk that builds share; 0 tells nothing."""

    memory: int = 0
    disk: int = 0


class Works(Protocol):
    """This machine, or a cluster that builds are handed to."""

    name: str
    """What the server is told that builds are isolated by."""

    def check(self) -> None:
        """BuilderUnusable says what is missing."""
        ...

    def room(self, *, idle: bool) -> Room:
        """What builds may use together; `idle` says that there is none at the moment."""
        ...

    async def start(self) -> None:
        """Make ready; BuilderUnusable says why that cannot be done."""
        ...

    def left(self) -> Sequence[Callable[[int], Coroutine[Any, Any, None]]]:
        """What a predecessor left to be done, each for a slot."""
        ...

    async def work(self, slot: int, assignment: Assignment) -> None:
        """Work on a build until the server knows how it ended; when cancelled, hand it back. Nothing is raised."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


@contextmanager
def reported(assignment: Assignment, work: str = "build") -> Iterator[None]:
    """Write down when `work` on a build begins and ends; what goes wrong with it goes no further."""
    report = _report.bind(build=assignment.build, attempt=assignment.attempt, pkgbase=assignment.pkgbase)
    report.info(f"{work} begun")
    try:
        yield
        report.info(f"{work} ended")
    except* LeaseLost as lost:
        report.info(f"{work} given up", why=str(lost.exceptions[0]))
    except* QuartersError as errors:
        report.warning(f"{work} given up", why=str(errors.exceptions[0]))
    except* Exception:  # noqa: BLE001 (the outermost frame of an attempt: the builder goes on)
        report.exception(f"{work} given up")
