"""Whether this process lives, and whether it can do its work."""

import asyncio

import msgspec
from litestar import Router, get

from quarters.server.routes import Given, needs
from quarters.storage import events


class Health(msgspec.Struct, frozen=True):
    """All is well; what is not is a problem with its own status, and what will not be soon a sentence in `warnings`."""

    status: str = "ok"
    warnings: tuple[str, ...] = ()


@get("/live", **needs(None, "live"))
async def live() -> Health:
    """This process answers."""
    return Health()


@get("/ready", **needs(None, "ready"))
async def ready(services: Given) -> Health:
    """The database answers; `warnings` says what needs attention, such as a key that expires."""
    await services.database.read(events.newest)
    return Health(warnings=tuple(await asyncio.to_thread(services.keys.warnings)))


def router() -> Router:
    """The routes of this resource."""
    return Router("/health", route_handlers=[live, ready], tags=["health"])
