"""A container engine: its containers, images and volumes."""

from quarters.builder.engine.api import Api
from quarters.builder.engine.containers import Containers
from quarters.builder.engine.images import Images
from quarters.builder.engine.volumes import Volumes


class Engine:
    """The engine at `address` (see Api); to be closed."""

    def __init__(self, address: str) -> None:
        self._api = Api(address)
        self.containers = Containers(self._api)
        self.images = Images(self._api)
        self.volumes = Volumes(self._api)

    async def version(self) -> str:
        """Its name and version; EngineError if it cannot be reached."""
        told = await self._api.call("GET", "/version")
        parts = told.get("Components") or [{"Name": "Engine"}]
        return f"{parts[0].get('Name')} {told['Version']}"

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()
