"""Fetches a recipe's files from the server."""

from quarters.builder.failure import BuildFailed
from quarters.builder.hold import Hold
from quarters.builder.workspace import Workspace
from quarters.model.build import Reason
from quarters.model.errors import LeaseLost, QuartersError


async def fetch(hold: Hold, workspace: Workspace) -> None:
    """Write the recipe's archive to the workspace."""
    try:
        await hold.ask(lambda key: hold.server.recipe(key, workspace.archive))
    except LeaseLost:
        raise
    except QuartersError as error:
        raise BuildFailed(Reason.INTERNAL_ERROR, f"The recipe could not be fetched: {error}") from error
