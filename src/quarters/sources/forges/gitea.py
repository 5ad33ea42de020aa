"""Pull requests of Gitea and Forgejo (docs.gitea.com/api, version 1)."""

from typing import Any
from urllib.parse import quote

from quarters.model.forge import Forge
from quarters.sources.forges.forge import Caller, MergeRequest, Wish
from quarters.sources.forges.pulls import Pull


class Gitea:
    """A repository `OWNER/NAME`."""

    def __init__(self, forge: Forge, token: str, timeout: float) -> None:
        base = f"{forge.url.rstrip('/')}/api/v1"
        self._api = Caller(base, {"Authorization": f"token {token}"}, timeout)
        self._place = f"/repos/{quote(forge.project)}"

    async def open(self, wish: Wish) -> MergeRequest:
        """Open a pull request; one that there is already for the branch is that one."""
        between = f"{quote(wish.base, safe='')}/{quote(wish.branch, safe='')}"
        there = await self._api.call("GET", f"{self._place}/pulls/{between}", Pull)
        if there is not None and there.state == "open":
            return there.read()
        sent: dict[str, Any] = {
            "head": wish.branch,
            "base": wish.base,
            "title": wish.title,
            "body": wish.text,
        }
        if wish.assignee:
            sent["assignees"] = [wish.assignee]
        return (await self._api.told("POST", f"{self._place}/pulls", Pull, sent)).read()

    async def look(self, number: int) -> MergeRequest:
        """What became of it."""
        return (await self._api.told("GET", f"{self._place}/pulls/{number}", Pull)).read()

    async def close(self, number: int) -> None:
        """Close it without merging."""
        await self._api.call("PATCH", f"{self._place}/pulls/{number}", Pull, {"state": "closed"})
