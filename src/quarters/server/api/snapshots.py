"""A repository's snapshots: list, show, compare, pin, roll back to, promote from, and what becomes of old ones."""

from typing import Annotated

from litestar import Router, delete, get, post, put
from litestar.params import JSONBody, PathParameter, QueryParameter

from quarters.model.repository import Pin, Snapshot
from quarters.model.selector import selector
from quarters.model.token import Scope
from quarters.protocol.resources import Page
from quarters.protocol.snapshots import (
    Cleaned,
    Cleaning,
    Difference,
    NewPin,
    Promoted,
    Promotion,
    Rollback,
    SnapshotView,
)
from quarters.server.routes import API, LIMIT, Actor, Cursor, Given, Limit, Name, needs

_WHICH = "A snapshot's number, a date (all of that day, UTC), an RFC 3339 time, or a pin."
_SELECTOR = r"^[A-Za-z0-9][A-Za-z0-9_.:+-]{0,62}$"

Which = Annotated[str, PathParameter(pattern=_SELECTOR, description=_WHICH)]
OneOf = Annotated[str, QueryParameter(pattern=_SELECTOR, description=_WHICH)]


@get("/snapshots", **needs(Scope.READ, "listSnapshots", 404))
async def list_snapshots(
    services: Given, name: Name, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[SnapshotView]:
    """What was published, newest first."""
    return await services.history.list(name, limit, cursor)


@get("/snapshots/{which:str}", **needs(Scope.READ, "showSnapshot", 404))
async def show_snapshot(services: Given, name: Name, which: Which) -> SnapshotView:
    """One snapshot; for a date or time the newest that was made by then."""
    return await services.history.show(name, selector(which))


@get("/diff", **needs(Scope.READ, "compareSnapshots", 404))
async def compare_snapshots(services: Given, name: Name, before: OneOf, after: OneOf) -> Difference:
    """What was added, removed and changed from one snapshot to another."""
    return await services.history.difference(name, selector(before), selector(after))


@get("/pins", **needs(Scope.READ, "listPins", 404))
async def list_pins(services: Given, name: Name) -> tuple[Pin, ...]:
    """The names that snapshots are pinned with."""
    return await services.history.pins(name)


@put("/pins/{pin:str}", **needs(Scope.PUBLISH, "pinSnapshot", 404, 409, 413))
async def pin_snapshot(services: Given, actor: Actor, name: Name, pin: Which, data: JSONBody[NewPin]) -> Pin:
    """Name a snapshot: it is served under that name, and kept."""
    return await services.history.pin(name, pin, selector(str(data.snapshot)), actor)


@delete("/pins/{pin:str}", **needs(Scope.PUBLISH, "unpinSnapshot", 404))
async def unpin_snapshot(services: Given, actor: Actor, name: Name, pin: Which) -> None:
    """Forget a name; its snapshot stays until it expires."""
    await services.history.unpin(name, pin, actor)


@post("/rollbacks", **needs(Scope.PUBLISH, "rollBack", 404, 409, 413))
async def roll_back(services: Given, actor: Actor, name: Name, data: JSONBody[Rollback]) -> Snapshot:
    """Serve again what an earlier snapshot held, as a new snapshot."""
    return await services.publisher.rollback(name, selector(str(data.snapshot)), actor)


@post("/promotions", **needs(Scope.PUBLISH, "promote", 404, 409, 413))
async def promote(services: Given, actor: Actor, name: Name, data: JSONBody[Promotion]) -> Promoted:
    """List packages of this repository in another one too, if nothing there would lack anything; no file is copied."""
    return await services.promotions.promote(name, data, actor)


@post("/cleanings", **needs(Scope.ADMIN, "cleanRepository", 404, 413))
async def clean_repository(services: Given, actor: Actor, name: Name, data: JSONBody[Cleaning]) -> Cleaned:
    """Forget snapshots that the repository's policy does not keep, and remove files that nothing lists any more."""
    return await services.retention.clean(name, dry_run=data.dry_run, actor=actor)


def router() -> Router:
    """The routes of this resource."""
    handlers = [
        list_snapshots,
        show_snapshot,
        compare_snapshots,
        list_pins,
        pin_snapshot,
        unpin_snapshot,
        roll_back,
        promote,
        clean_repository,
    ]
    return Router(f"{API}/repositories/{{name:str}}", route_handlers=handlers, tags=["snapshots"])
