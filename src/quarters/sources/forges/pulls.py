"""Pull requests as GitHub tells them, and Gitea after it."""

import msgspec

from quarters.sources.forges.forge import MergeRequest, Standing


class Person(msgspec.Struct, frozen=True):
    """An account."""

    login: str = ""


class Pull(msgspec.Struct, frozen=True):
    """One pull request; where they are listed, GitHub tells `merged_at` alone."""

    number: int
    html_url: str = ""
    state: str = "open"
    merged: bool | None = None
    merged_at: str | None = None
    merged_by: Person | None = None

    def read(self) -> MergeRequest:
        """In our words."""
        closed = Standing.CLOSED if self.state == "closed" else Standing.OPEN
        return MergeRequest(
            number=self.number,
            url=self.html_url,
            standing=Standing.MERGED if self.merged or self.merged_at else closed,
            by=self.merged_by.login if self.merged_by else "",
        )
