"""GitLab's merge requests (docs.gitlab.com/api/merge_requests, version 4)."""

from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from quarters.model.forge import Forge
from quarters.sources.errors import SourceUnreachable
from quarters.sources.forges.forge import Caller, MergeRequest, Standing, Wish

_CLOSED = {"merged": Standing.MERGED, "closed": Standing.CLOSED}


class _Person(msgspec.Struct, frozen=True):
    id: int
    username: str = ""


class _Merge(msgspec.Struct, frozen=True):
    iid: int
    web_url: str = ""
    state: str = "opened"
    merged_by: _Person | None = None
    merge_user: _Person | None = None

    def read(self) -> MergeRequest:
        who = self.merge_user or self.merged_by
        return MergeRequest(
            number=self.iid,
            url=self.web_url,
            standing=_CLOSED.get(self.state, Standing.OPEN),
            by=who.username if who else "",
        )


class GitLab:
    """A project `GROUP/…/NAME`, or its number."""

    def __init__(self, forge: Forge, token: str, timeout: float) -> None:
        self._api = Caller(f"{forge.url.rstrip('/')}/api/v4", {"PRIVATE-TOKEN": token}, timeout)
        self._place = f"/projects/{quote(forge.project, safe='')}/merge_requests"

    async def open(self, wish: Wish) -> MergeRequest:
        """Open a merge request; one that there is already for the branch is that one."""
        query = urlencode({"source_branch": wish.branch, "state": "opened"})
        there = await self._api.told("GET", f"{self._place}?{query}", list[_Merge])
        if there:
            return there[0].read()
        sent: dict[str, Any] = {
            "source_branch": wish.branch,
            "target_branch": wish.base,
            "title": wish.title,
            "description": wish.text,
            "remove_source_branch": True,
        }
        if wish.assignee:
            sent["assignee_id"] = await self._number_of(wish.assignee)
        return (await self._api.told("POST", self._place, _Merge, sent)).read()

    async def look(self, number: int) -> MergeRequest:
        """What became of it."""
        return (await self._api.told("GET", f"{self._place}/{number}", _Merge)).read()

    async def close(self, number: int) -> None:
        """Close it without merging."""
        await self._api.call("PUT", f"{self._place}/{number}", _Merge, {"state_event": "close"})

    async def _number_of(self, name: str) -> int:
        found = await self._api.call("GET", f"/users?{urlencode({'username': name})}", list[_Person])
        if not found:
            raise SourceUnreachable(f"GitLab knows no account {name!r} that a merge request could be for.")
        return found[0].id
