"""Schedules: list, set, delete."""

from litestar import Router, delete, get, post
from litestar.params import JSONBody

from quarters.model.schedule import ScheduleEntry
from quarters.model.token import Scope
from quarters.protocol.resources import NewSchedule, Page
from quarters.server.routes import API, LIMIT, Cursor, Given, Limit, Name, Package, needs


@get("/", **needs(Scope.READ, "listSchedules"))
async def list_schedules(services: Given, limit: Limit = LIMIT, cursor: Cursor = None) -> Page[ScheduleEntry]:
    """All schedules by source and pkgbase."""
    return await services.schedules.list(limit, cursor)


@post("/", status_code=200, **needs(Scope.ADMIN, "setSchedule", 404, 413))
async def set_schedule(services: Given, data: JSONBody[NewSchedule]) -> ScheduleEntry:
    """Set the schedule of a source, or of one of its recipes, in place of the one that it had."""
    return await services.schedules.put(data)


@delete("/{source:str}", **needs(Scope.ADMIN, "deleteSourceSchedule", 404))
async def delete_source_schedule(services: Given, source: Name) -> None:
    """Let the clock mean nothing to a source; recipes keep the schedules of their own."""
    await services.schedules.remove(source, "")


@delete("/{source:str}/{pkgbase:str}", **needs(Scope.ADMIN, "deleteRecipeSchedule", 404))
async def delete_recipe_schedule(services: Given, source: Name, pkgbase: Package) -> None:
    """Let a recipe follow its source again."""
    await services.schedules.remove(source, pkgbase)


def router() -> Router:
    """The routes of this resource."""
    handlers = [list_schedules, set_schedule, delete_source_schedule, delete_recipe_schedule]
    return Router(f"{API}/schedules", route_handlers=handlers, tags=["schedules"])
