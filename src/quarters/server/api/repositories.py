"""Repositories: list, create, show, change, delete, and their snapshots."""

from litestar import Router, delete, get, patch, post
from litestar.params import JSONBody

from quarters.model.repository import Snapshot
from quarters.model.token import Scope
from quarters.protocol.resources import (
    NewRepository,
    Page,
    Promotion,
    RepositoryChange,
    RepositoryView,
    Rollback,
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


@get("/{name:str}/snapshots", **needs(Scope.READ, "listSnapshots", 404))
async def list_snapshots(
    services: Given, name: Name, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[Snapshot]:
    """What was published, newest first."""
    return await services.repositories.snapshots(name, limit, cursor)


@post("/{name:str}/rollbacks", **needs(Scope.PUBLISH, "rollBack", 404, 409, 413))
async def roll_back(services: Given, actor: Actor, name: Name, data: JSONBody[Rollback]) -> Snapshot:
    """Serve again what an earlier snapshot held, as a new snapshot."""
    return await services.publisher.rollback(name, data.snapshot, actor)


@post("/{name:str}/promotions", **needs(Scope.PUBLISH, "promote", 404, 409, 413))
async def promote(services: Given, actor: Actor, name: Name, data: JSONBody[Promotion]) -> Snapshot:
    """List packages of this repository in another one too; no file is copied."""
    return await services.publisher.promote(name, data, actor)


def router() -> Router:
    """The routes of this resource."""
    handlers = [
        list_repositories,
        create_repository,
        show_repository,
        change_repository,
        delete_repository,
        list_snapshots,
        roll_back,
        promote,
    ]
    return Router(f"{API}/repositories", route_handlers=handlers, tags=["repositories"])
