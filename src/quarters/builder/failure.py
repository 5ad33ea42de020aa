"""How an attempt can fail, as errors that carry what the server is told."""

from quarters.model.build import Reason
from quarters.model.errors import QuartersError


class BuilderUnusable(QuartersError):
    """This machine cannot build."""


class BuildSkipped(QuartersError):
    """There is nothing to build."""

    def __init__(self, message: str, version: str = "") -> None:
        """`version` is what would have been built, "" where that is not known."""
        super().__init__(message)
        self.version = version


class BuildFailed(QuartersError):
    """The build failed."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        command: str | None = None,
        exit_code: int | None = None,
        missing: str = "",
        machine_full: bool = False,
    ) -> None:
        """`missing` is the dependency, as recipes write it, that no repository of the builder has.

        `machine_full` says that the builder's disk was, before the build began.
        """
        super().__init__(message)
        self.reason = reason
        self.command = command
        self.exit_code = exit_code
        self.missing = missing
        self.machine_full = machine_full
