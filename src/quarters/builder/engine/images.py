"""Images: pulled, built, imported, listed, removed."""

import re
from collections.abc import AsyncIterator, Mapping

import msgspec

from quarters.builder.engine.api import Api, EngineError

_GONE, _IN_USE = 404, 409
_IDENTITY = re.compile(r"(sha256:)?[0-9a-f]{64}")


class Image(msgspec.Struct, frozen=True):
    """An image by its identity, with its labels."""

    identity: str
    labels: Mapping[str, str]


class Images:
    """The images of an engine."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def pull(self, name: str) -> str:
        """Fetch what a registry has as `name`; its identity. Where the registry is away, what is there already counts."""
        if "@" not in name and ":" not in name.rpartition("/")[2]:
            name += ":latest"
        try:
            await self._api.send("POST", "/images/create", None, fromImage=name)
        except EngineError:
            present = await self._find(name)
            if present is None:
                raise
            return present
        return await self._identity(name)

    async def build(self, context: AsyncIterator[bytes], containerfile: str, name: str) -> str:
        """Build the Containerfile of this name in `context`, a tar archive; the image is called `name`."""
        query = {"dockerfile": containerfile, "t": name, "rm": "1", "forcerm": "1", "pull": "0"}
        await self._api.send("POST", "/build", context, **query)
        return await self._identity(name)

    async def load(self, root: AsyncIterator[bytes], name: str) -> str:
        """Make an image called `name` of a tar archive of a whole root, compressed or not."""
        repository, _, tag = name.rpartition(":")
        reports = await self._api.send("POST", "/images/create", root, fromSrc="-", repo=repository, tag=tag)
        # Podman does not find what it has just imported by the name that it gave it.
        said = [found for it in reports if (found := _IDENTITY.search(str(it.get("status", ""))))]
        return await self._identity(said[-1][0] if said else name)

    async def labelled(self, label: str) -> list[Image]:
        """All that bear `label` (`name=value`)."""
        filters = msgspec.json.encode({"label": [label]}).decode()
        found = await self._api.call("GET", "/images/json", filters=filters)
        return [Image(str(it["Id"]), it.get("Labels") or {}) for it in found]

    async def remove(self, identity: str) -> bool:
        """Remove it with all its names; False if a container still is of it."""
        try:
            await self._api.call("DELETE", f"/images/{identity}", force="1")
        except EngineError as error:
            if error.status == _IN_USE:
                return False
            if error.status != _GONE:
                raise
        return True

    async def _find(self, name: str) -> str | None:
        try:
            return await self._identity(name)
        except EngineError as error:
            if error.status == _GONE:
                return None
            raise

    async def _identity(self, name: str) -> str:
        seen = await self._api.call("GET", f"/images/{name}/json")
        return str(seen["Id"])
