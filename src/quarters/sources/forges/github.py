"""GitHub's pull requests (docs.github.com/rest/pulls/pulls), also on a GitHub Enterprise Server."""

from urllib.parse import quote, urlencode

from quarters.model.forge import Forge
from quarters.sources.forges.forge import Caller, MergeRequest, Wish
from quarters.sources.forges.pulls import Pull

_PUBLIC = "https://github.com"
_PUBLIC_API = "https://api.github.com"


class GitHub:
    """A repository `OWNER/NAME`."""

    def __init__(self, forge: Forge, token: str, timeout: float) -> None:
        base = _PUBLIC_API if forge.url.rstrip("/") == _PUBLIC else f"{forge.url.rstrip('/')}/api/v3"
        headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"}
        self._api = Caller(base, headers, timeout)
        self._owner = forge.project.partition("/")[0]
        self._place = f"/repos/{quote(forge.project)}"

    async def open(self, wish: Wish) -> MergeRequest:
        """Open a pull request; one that there is already for the branch is that one."""
        query = urlencode({"head": f"{self._owner}:{wish.branch}", "state": "open"})
        there = await self._api.told("GET", f"{self._place}/pulls?{query}", list[Pull])
        if there:
            return there[0].read()
        sent = {"head": wish.branch, "base": wish.base, "title": wish.title, "body": wish.text}
        made = (await self._api.told("POST", f"{self._place}/pulls", Pull, sent)).read()
        if wish.assignee:
            people = {"assignees": [wish.assignee]}
            await self._api.call("POST", f"{self._place}/issues/{made.number}/assignees", object, people)
        return made

    async def look(self, number: int) -> MergeRequest:
        """What became of it."""
        return (await self._api.told("GET", f"{self._place}/pulls/{number}", Pull)).read()

    async def close(self, number: int) -> None:
        """Close it without merging."""
        await self._api.call("PATCH", f"{self._place}/pulls/{number}", Pull, {"state": "closed"})
