"""Sources: list, create, show, change, delete, sync."""

from litestar import Router, delete, get, patch, post
from litestar.params import JSONBody

from quarters.model.commit import Commit
from quarters.model.source import Source
from quarters.model.token import Scope
from quarters.protocol.hooks import Hook, NewHook
from quarters.protocol.resources import NewSource, Page, SourceChange
from quarters.server.routes import API, LIMIT, Cursor, Given, Limit, Name, needs


@get("/", **needs(Scope.READ, "listSources"))
async def list_sources(services: Given, limit: Limit = LIMIT, cursor: Cursor = None) -> Page[Source]:
    """All sources by name."""
    return await services.sources.list(limit, cursor)


@post("/", **needs(Scope.ADMIN, "createSource", 404, 409, 413))
async def create_source(services: Given, data: JSONBody[NewSource]) -> Source:
    """Add a source; its first sync begins at once."""
    return await services.sources.add(data)


@get("/{name:str}", **needs(Scope.READ, "showSource", 404))
async def show_source(services: Given, name: Name) -> Source:
    """One source; `problem` says why its last sync failed."""
    return await services.sources.show(name)


@patch("/{name:str}", **needs(Scope.ADMIN, "changeSource", 404, 409, 413))
async def change_source(services: Given, name: Name, data: JSONBody[SourceChange]) -> Source:
    """Change the fields that are given."""
    return await services.sources.change(name, data)


@delete("/{name:str}", **needs(Scope.ADMIN, "deleteSource", 404, 409))
async def delete_source(services: Given, name: Name) -> None:
    """Remove a source and its recipes; what was built from it stays published."""
    await services.sources.remove(name)


@post("/{name:str}/sync", status_code=202, **needs(Scope.BUILD, "syncSource", 404, 409))
async def sync_source(services: Given, name: Name) -> Source:
    """Ask for a sync now; `synced_at` and `problem` of the source tell how it went."""
    return await services.sources.sync(name)


@post("/{name:str}/hook", status_code=200, **needs(Scope.ADMIN, "showHook", 404, 413))
async def show_hook(services: Given, name: Name, data: JSONBody[NewHook]) -> Hook:
    """The address and the secret of its webhook, to be entered at GitHub, GitLab, Gitea or Forgejo."""
    return await services.hooks.show(name, renew=data.renew)


@get("/{name:str}/commits", **needs(Scope.READ, "listCommits", 404))
async def list_commits(
    services: Given, name: Name, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[Commit]:
    """People's commits, the newest first, with what their messages asked for and what became of it."""
    return await services.sources.commits(name, limit, cursor)


def router() -> Router:
    """The routes of this resource."""
    handlers = [
        list_sources,
        create_source,
        show_source,
        change_source,
        delete_source,
        sync_source,
        show_hook,
        list_commits,
    ]
    return Router(f"{API}/sources", route_handlers=handlers, tags=["sources"])
