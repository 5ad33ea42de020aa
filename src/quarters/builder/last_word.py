"""What a builder says about a build that it does not bring to its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from quarters.builder.cleanup import to_the_end
from quarters.builder.failure import BuildFailed
from quarters.builder.hold import Hold
from quarters.builder.persistence import persistently
from quarters.builder.workspace import Workspace
from quarters.model.build import Outcome, Reason
from quarters.model.errors import LeaseLost, QuartersError
from quarters.model.text import plain
from quarters.protocol.builds import Finish, LeaseKey

_PATIENCE = 5.0
"""Seconds for which a server is asked to hear it; after that the lease runs out by itself."""
_report = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def last_word(hold: Hold, workspace: Workspace) -> AsyncIterator[None]:
    """Meanwhile, work on a build; where that breaks off, the server hears of it at once instead of missing heartbeats.

    A builder that is stopped hands its build back, unless the packages are built: those it sends when it is started
    again. In all other cases there is nothing left to be sent.
    """
    try:
        yield
    except asyncio.CancelledError:
        if not workspace.built.exists():
            await to_the_end(say(hold, HANDED_BACK))
        raise
    except BaseException as error:
        workspace.built.unlink(missing_ok=True)
        if (finish := failed(error)) is not None:
            await to_the_end(say(hold, finish))
        raise
    workspace.built.unlink(missing_ok=True)


HANDED_BACK = Finish(outcome=Outcome.HANDED_BACK, steps=(), message="Its builder was stopped.")
"""What a builder says that is stopped."""


def failed(error: BaseException) -> Finish | None:
    """What is said about an error of the builder itself; None where the server knows, as it took the lease."""
    if isinstance(error, BaseExceptionGroup):
        if error.subgroup(LeaseLost) is not None:
            return None
        return failed(error.exceptions[0])
    if isinstance(error, LeaseLost):
        return None
    reason = error.reason if isinstance(error, BuildFailed) else Reason.INTERNAL_ERROR
    said = str(error) if isinstance(error, QuartersError) else f"{type(error).__name__}: {error}"
    message = plain(f"The builder failed: {said}")
    return Finish(outcome=Outcome.FAILED, steps=(), reason=reason, message=message)


async def say(hold: Hold, finish: Finish) -> None:
    """Tell the server, for a few seconds; what it does not hear then, it finds out by itself."""
    key = LeaseKey.of(hold.assignment)
    try:
        async with asyncio.timeout(_PATIENCE):
            await persistently(lambda: hold.server.finish(key, finish), _PATIENCE)
    except (TimeoutError, QuartersError) as error:
        _report.warning("the server did not hear how a build ended", build=key.build, why=str(error))
