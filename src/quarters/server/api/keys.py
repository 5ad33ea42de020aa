"""Keys: what clients have to trust, which is for everybody, and which of them signs."""

import asyncio

from litestar import Response, Router, delete, get, post
from litestar.params import JSONBody

from quarters.model.token import Scope
from quarters.protocol.resources import (
    KeyExtension,
    KeyRetirement,
    KeyView,
    PackageView,
    Page,
    RepositoryView,
    TrustedKey,
)
from quarters.server.routes import API, RAW, Actor, Fingerprint, Given, Name, needs

_KEYS = "application/pgp-keys"


@get("/keys", **needs(None, "listKeys"))
async def list_keys(services: Given) -> Page[KeyView]:
    """The public keys that repositories are signed with, were or are about to be."""
    return Page(tuple(await asyncio.to_thread(services.keys.all)))


@get("/keys/{name:str}", **needs(None, "showKey", 404))
async def show_key(services: Given, name: Name) -> KeyView:
    """One public key."""
    return await asyncio.to_thread(services.keys.show, name)


@post("/keys/{name:str}/use", status_code=200, **needs(Scope.ADMIN, "useKey", 404, 409))
async def use_key(services: Given, actor: Actor, name: Name) -> KeyView:
    """Let this key sign from now on; clients have to know it by then."""
    return await services.rotation.use(name, actor)


@post("/keys/{name:str}/extend", status_code=200, **needs(Scope.ADMIN, "extendKey", 404, 413))
async def extend_key(services: Given, actor: Actor, name: Name, data: JSONBody[KeyExtension]) -> KeyView:
    """Let this key expire later."""
    return await services.rotation.extend(name, data.days, actor)


@post("/keys/{name:str}/retire", status_code=200, **needs(Scope.ADMIN, "retireKey", 404, 409, 413))
async def retire_key(services: Given, actor: Actor, name: Name, data: JSONBody[KeyRetirement]) -> KeyView:
    """Never sign with this key again, and tell clients to trust it no more; its secret is deleted."""
    return await services.rotation.retire(name, revoke=data.revoke, actor=actor)


@get("/repositories/{name:str}/keyring", media_type=_KEYS, **needs(None, "showKeyring", 404))
async def show_keyring(services: Given, name: Name) -> bytes:
    """All keys that clients of this repository have to trust, as `pacman-key --add` takes them."""
    return await services.keyrings.binary(name)


@get("/repositories/{name:str}/keyring/package", media_type=RAW, **needs(None, "showKeyringPackage", 404))
async def show_keyring_package(services: Given, name: Name) -> Response[bytes]:
    """A package of these keys, which makes whoever installs it trust them."""
    made = await services.keyrings.package(name)
    headers = {"Content-Disposition": f'attachment; filename="{made.file_name}"'}
    return Response(made.content, media_type=RAW, headers=headers)


@post("/repositories/{name:str}/keyring/package", **needs(Scope.PUBLISH, "publishKeyringPackage", 404, 507))
async def publish_keyring_package(services: Given, actor: Actor, name: Name) -> PackageView:
    """Publish that package here, unless the one that is published holds the same keys."""
    return await services.keyrings.publish(name, actor)


@post("/repositories/{name:str}/trusted-keys", **needs(Scope.ADMIN, "trustKey", 404, 413))
async def trust_key(services: Given, actor: Actor, name: Name, data: JSONBody[TrustedKey]) -> RepositoryView:
    """Let the owner of a key sign what is uploaded here."""
    await services.trust.add(name, data.armored, actor)
    return await services.repositories.show(name)


@delete(
    "/repositories/{name:str}/trusted-keys/{fingerprint:str}",
    status_code=200,
    **needs(Scope.ADMIN, "distrustKey", 404),
)
async def distrust_key(services: Given, actor: Actor, name: Name, fingerprint: Fingerprint) -> RepositoryView:
    """Trust a key no more; signatures by it are served no more either."""
    await services.trust.remove(name, fingerprint, actor)
    return await services.repositories.show(name)


def router() -> Router:
    """The routes of this resource."""
    handlers = [
        list_keys,
        show_key,
        use_key,
        extend_key,
        retire_key,
        show_keyring,
        show_keyring_package,
        publish_keyring_package,
        trust_key,
        distrust_key,
    ]
    return Router(API, route_handlers=handlers, tags=["keys"])
