"""Where recipes come from."""

from datetime import datetime

import msgspec


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where recipes come from; `problem` says why the last sync failed, "" if it did not."""

    name: str
    kind: str
    location: str
    repository: str
    branch: str = ""
    path: str = ""
    """A folder within what `location` names, where its kind has a use for one."""
    packages: tuple[str, ...] = ()
    """Names of packages, where its kind takes single ones from a larger collection."""
    dependencies: bool = False
    """Whether it also takes in what recipes of its repository need and nothing else has, where its kind can."""
    automatic: bool = True
    enabled: bool = True
    max_running: int = 0
    """How many of its builds may run at once; 0 is no limit."""
    revision: str = ""
    synced_at: datetime | None = None
    problem: str = ""
    recipes: int = 0
    unreadable: int = 0
    """How many of its recipes cannot be read."""
    pending: bool = False
    """Whether a sync, or the planning of what the last sync brought, is still to come."""
