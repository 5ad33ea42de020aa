"""The scheduler's section of the configuration; times are seconds."""

from typing import Annotated

import msgspec
from msgspec import Meta

from quarters.model.size import Size


class SchedulerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often builders report and upstream databases are looked at, and how patient the scheduler is."""

    heartbeat: float = 5.0
    """Between two heartbeats of a running build; three missed ones lose its lease."""
    claim_wait: float = 60.0
    """How long a builder's request for work may wait at most."""
    builder_alive: float = 90.0
    """How long after its last word a builder counts as there; longer than `claim_wait`."""
    log_limit: int = 256 << 20
    """Bytes of log that an attempt may send; builders end builds that print more than they themselves allow."""
    upstream_refresh: float = 900.0
    """Between two looks at an upstream's database."""
    upstream_timeout: float = 60.0
    """How long fetching one upstream database may take."""
    poll: float = 5.0
    """How often the loops look at their rows when nothing wakes them."""
    max_running: Annotated[int, Meta(ge=0)] = 0
    """How many builds may run at once in all; 0 is no limit. Repositories and sources may have limits of their own."""
    assumed_memory: Size = Size(512 << 20)
    """Memory that a build is taken to need while its package was never built, such as `2 GiB`."""
    assumed_disk: Size = Size(1 << 30)
    """Disk that a build is taken to need while its package was never built."""
    replan: float = 30.0
    """How long after a plan with problems it is made again at the earliest, when something was published."""


class LogsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long builds that are over are kept with their logs, and events; whatever any rule asks for stays."""

    keep_days: Annotated[int, Meta(ge=0, le=36500)] = 90
    """Days for which a build and its logs are kept after its end; 0: as long as `keep_builds` says only."""
    keep_builds: Annotated[int, Meta(ge=1)] = 10
    """How many of the newest builds of each package base, repository and architecture are kept however old they are."""
    keep_events: Annotated[int, Meta(ge=1, le=36500)] = 30
    """Days for which followers can catch up with what happened."""
    clean_every: float = 86400.0
    """Seconds between two cleanings."""
