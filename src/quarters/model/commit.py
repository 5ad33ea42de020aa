"""A commit of a source, and what its message asks for."""

from datetime import datetime

import msgspec

ALL = "all"
"""What a message asks for that wants every package of the source built."""


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit as it came: `asks` names packages to build though nothing about them changed, or holds ALL.

    `request` is the request that this became, `problem` says what could not be done, in sentences. `identity` is the
    same for the commit that a rebase makes of this one.
    """

    source: str
    revision: str
    identity: str
    author: str
    at: datetime
    subject: str
    number: int = 0
    """Rises within a source, in the order in which commits came; 0 before it is noted."""
    asks: tuple[str, ...] = ()
    pending: bool = False
    request: int | None = None
    problem: str = ""
