"""What a builder asks of whatever isolates its builds."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from quarters.builder.buildroot import Buildroot
from quarters.builder.workspace import Workspace
from quarters.protocol.builds import Assignment


class Executor(Protocol):
    """Makes clean roots to build in."""

    name: str

    def check(self) -> None:
        """BuilderUnusable says what the machine or its user lacks."""
        ...

    async def start(self) -> None:
        """End what a killed predecessor left running, and make ready; BuilderUnusable says what the machine lacks."""
        ...

    async def close(self) -> None:
        """Let go of everything; what ended builds left elsewhere is removed by then."""
        ...

    def furnished(
        self, assignment: Assignment, workspace: Workspace
    ) -> AbstractAsyncContextManager[Buildroot]:
        """A root for this attempt, in which nothing of the recipe has a part yet.

        On leaving, also when cancelled, nothing is left of it nor of what ran in it.
        """
        ...
