"""Where recipes come from."""

from datetime import datetime, timedelta

import msgspec

from quarters.model.review import Level, Policy
from quarters.model.updates import Updates


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
    prereleases: bool = False
    """Whether versions before a release count too, where its kind knows versions."""
    automatic: bool = True
    enabled: bool = True
    max_running: int = 0
    """How many of its builds may run at once; 0 is no limit."""
    review: Level = Level.OFF
    """Which changes of its recipes wait for a person."""
    update_review: Level = Level.MAJOR
    """Which changes that upstreams of its recipes made wait for a person, where its kind takes them over."""
    trusted: tuple[str, ...] = ()
    """Accounts, as the origin of recipes names them, whose major changes pass as minor ones do."""
    cooldown: int = 0
    """Hours for which changes, and recipes whose maintainers changed, wait before they pass by themselves."""
    updates: Updates = msgspec.field(default_factory=Updates)
    """How the upstreams of its recipes are followed, where its kind takes them over."""
    revision: str = ""
    synced_at: datetime | None = None
    problem: str = ""
    recipes: int = 0
    unreadable: int = 0
    """How many of its recipes cannot be read."""
    unplanned: tuple[str, ...] = ()
    """Sentences: what of it was outdated and could not be built when that was planned last, in a list left out."""
    pending: bool = False
    """Whether a sync, or the planning of what the last sync brought, is still to come."""

    def policy(self, level: Level) -> Policy:
        """What passes without a person where `level` holds."""
        return Policy(level, frozenset(self.trusted), timedelta(hours=self.cooldown))
