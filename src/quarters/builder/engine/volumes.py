"""Volumes: folders of the engine that several containers see."""

from collections.abc import Mapping

import msgspec

from quarters.builder.engine.api import Api, EngineError

_GONE = 404


class Volumes:
    """The volumes of an engine."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def create(self, name: str, labels: Mapping[str, str]) -> None:
        """Make it, unless it is there. It takes content and owner of the place in the image where it is mounted first."""
        await self._api.call("POST", "/volumes/create", {"Name": name, "Labels": dict(labels)})

    async def labelled(self, label: str) -> dict[str, Mapping[str, str]]:
        """All that bear `label` (`name=value`), with all their labels."""
        filters = msgspec.json.encode({"label": [label]}).decode()
        found = await self._api.call("GET", "/volumes", filters=filters)
        return {str(it["Name"]): it.get("Labels") or {} for it in found["Volumes"] or ()}

    async def remove(self, name: str) -> None:
        """Remove it, if no container has it."""
        try:
            await self._api.call("DELETE", f"/volumes/{name}")
        except EngineError as error:
            if error.status != _GONE:
                raise
