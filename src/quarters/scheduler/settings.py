"""The scheduler's section of the configuration; times are seconds."""

import msgspec


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
    replan: float = 30.0
    """How long after a plan with problems it is made again at the earliest, when something was published."""
