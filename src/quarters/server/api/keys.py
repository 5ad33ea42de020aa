"""Public keys: what clients have to trust; they are for everybody."""

import asyncio

from litestar import Router, get

from quarters.protocol.resources import KeyView, Page
from quarters.server.routes import API, Given, Name, needs


@get("/", **needs(None, "listKeys"))
async def list_keys(services: Given) -> Page[KeyView]:
    """The public keys that repositories are signed with."""
    return Page(tuple(await asyncio.to_thread(services.keys.all)))


@get("/{name:str}", **needs(None, "showKey", 404))
async def show_key(services: Given, name: Name) -> KeyView:
    """One public key."""
    return await asyncio.to_thread(services.keys.show, name)


def router() -> Router:
    """The routes of this resource."""
    return Router(f"{API}/keys", route_handlers=[list_keys, show_key], tags=["keys"])
