"""Repositories: list, create, show, change, delete."""

from litestar import Router, delete, get, patch, post
from litestar.params import JSONBody

from quarters.model.token import Scope
from quarters.protocol.resources import (
    NewRepository,
    Page,
    RepositoryChange,
    RepositoryView,
)
from quarters.server.routes import API, LIMIT, Actor, Cursor, Given, Limit, Name, needs


@get("/", **needs(Scope.READ, "listRepositories"))
async def list_repositories(
    services: Given, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[RepositoryView]:
    """All repositories by name."""
    return await services.repositories.list(limit, cursor)


@post("/", **needs(Scope.ADMIN, "createRepository", 409, 413))
async def create_repository(services: Given, actor: Actor, data: JSONBody[NewRepository]) -> RepositoryView:
    """Create a repository and the key that signs it."""
    return await services.repositories.create(data, actor)


@get("/{name:str}", **needs(Scope.READ, "showRepository", 404))
async def show_repository(services: Given, name: Name) -> RepositoryView:
    """One repository with its current snapshot."""
    return await services.repositories.show(name)


@patch("/{name:str}", **needs(Scope.ADMIN, "changeRepository", 404, 409, 413))
async def change_repository(
    services: Given, actor: Actor, name: Name, data: JSONBody[RepositoryChange]
) -> RepositoryView:
    """Change the fields that are given."""
    return await services.repositories.change(name, data, actor)


@delete("/{name:str}", **needs(Scope.ADMIN, "deleteRepository", 404, 409))
async def delete_repository(services: Given, actor: Actor, name: Name) -> None:
    """Delete a repository that nothing feeds any more."""
    await services.repositories.delete(name, actor)


def router() -> Router:
    """The routes of this resource."""
    handlers = [
        list_repositories,
        create_repository,
        show_repository,
        change_repository,
        delete_repository,
    ]
    return Router(f"{API}/repositories", route_handlers=handlers, tags=["repositories"])
