"""What a builder asks of the cluster that it hands builds to."""

from enum import StrEnum
from typing import NamedTuple, Protocol

from quarters.builder.cluster.handover import Handover
from quarters.model.errors import QuartersError


class ClusterAway(QuartersError):
    """The cluster does not answer."""


class JobRefused(QuartersError):
    """The cluster does not take the job."""


class Phase(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    """It said itself how the build ended."""
    LOST = "lost"
    """It ended otherwise, or nobody knows."""


class Job(NamedTuple):
    """A job as it is now; `why` is the cluster's word for how it was lost."""

    phase: Phase
    why: str = ""


class Cluster(Protocol):
    """Every method may raise ClusterAway: try again."""

    name: str
    carries_token: bool
    """Whether a job may be told the builder's token: nobody else can read what it is told."""
    poll: float
    """Seconds between two looks at a job."""

    def check(self) -> None:
        """BuilderUnusable says what is missing."""
        ...

    async def submit(self, handover: Handover) -> str:
        """Hand a build over; the job's name. JobRefused if it will never be taken."""
        ...

    async def look(self, job: str) -> Job:
        """How far it is."""
        ...

    async def cancel(self, job: str) -> None:
        """End it: it is given time to hand its build back. A job that has ended is no error."""
        ...
