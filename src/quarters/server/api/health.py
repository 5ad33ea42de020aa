"""Whether this process lives, and whether it can do its work."""

import msgspec
from litestar import Router, get

from quarters.server.routes import Given, needs
from quarters.storage import events


class Health(msgspec.Struct, frozen=True):
    """All is well; what is not is a problem with its own status."""

    status: str = "ok"


@get("/live", **needs(None, "live"))
async def live() -> Health:
    """This process answers."""
    return Health()


@get("/ready", **needs(None, "ready"))
async def ready(services: Given) -> Health:
    """The database answers."""
    await services.database.read(events.newest)
    return Health()


def router() -> Router:
    """The routes of this resource."""
    return Router("/health", route_handlers=[live, ready], tags=["health"])
