"""What a builder asks of whatever isolates its builds."""

from typing import Protocol

from quarters.builder.journal import Journal
from quarters.builder.workspace import Workspace
from quarters.protocol.builds import Assignment


class Executor(Protocol):
    """Makes packages in isolation."""

    name: str

    def check(self) -> None:
        """BuilderUnusable says what the machine or its user lacks."""
        ...

    async def start(self) -> None:
        """End what a killed predecessor left running, and make ready; BuilderUnusable says what the machine lacks."""
        ...

    async def furnish(self, assignment: Assignment, workspace: Workspace) -> None:
        """Make the root of this attempt; nothing of the recipe has a part in it."""
        ...

    async def build(self, assignment: Assignment, workspace: Workspace, journal: Journal) -> str:
        """Turn the workspace's recipe archive into package files in its `artifacts`, and return their version.

        Raises BuildFailed with the journal's last step as the place. However this ends, nothing that it started is
        left, also when it is cancelled.
        """
        ...
