"""Fetches a recipe's files from the server."""

from quarters.builder.failure import BuildFailed
from quarters.builder.persistence import persistently
from quarters.builder.server import Server
from quarters.builder.workspace import Workspace
from quarters.model.build import Reason
from quarters.model.errors import LeaseLost, QuartersError
from quarters.protocol.builds import Assignment, LeaseKey


async def fetch(assignment: Assignment, workspace: Workspace, server: Server, patience: float) -> None:
    """Write the recipe's archive to the workspace."""
    key = LeaseKey.of(assignment)
    try:
        await persistently(lambda: server.recipe(key, workspace.archive), patience)
    except LeaseLost:
        raise
    except QuartersError as error:
        raise BuildFailed(Reason.INTERNAL_ERROR, f"The recipe could not be fetched: {error}") from error
