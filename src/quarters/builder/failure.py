"""How an attempt can fail, as errors that carry what the server is told."""

from quarters.model.build import Reason
from quarters.model.errors import QuartersError


class BuilderUnusable(QuartersError):
    """This machine cannot build."""


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
    ) -> None:
        """`missing` is the dependency, as recipes write it, that no repository of the builder has."""
        super().__init__(message)
        self.reason = reason
        self.command = command
        self.exit_code = exit_code
        self.missing = missing
