"""What one build may use of its builder."""

import os

import msgspec

from quarters.builder.capacity import Capacity
from quarters.builder.settings import BuilderSettings
from quarters.model.size import Size
from quarters.protocol.builds import Assignment

_ALL_BUT_SOME = 0.9
"""Of what the machine has; the rest is for the builder, the server beside it and the page cache."""
_ROOM = 1.5
"""What a build is known to need was measured or guessed, and the next version of a program needs more."""

USUAL_WEIGHT = 100


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of memory and disk, processes and threads; 0 is no limit. The weight is that of cgroups(7), 1 to 10000."""

    memory: int = 0
    processes: int = 0
    disk: int = 0
    cpu_weight: int = USUAL_WEIGHT


def of(assignment: Assignment, settings: BuilderSettings) -> Limits:
    """What the settings give each slot or, where they say nothing, an equal share; more where more is needed."""
    state = os.statvfs(settings.data)
    return Limits(
        memory=_share(settings, settings.slot_memory, Capacity(settings).memory, assignment.memory),
        processes=settings.slot_processes,
        disk=_share(settings, settings.slot_disk, state.f_bavail * state.f_frsize, assignment.disk),
        cpu_weight=settings.cpu_weight,
    )


def _share(settings: BuilderSettings, fixed: Size, there: int, needed: int) -> int:
    most = int(there * _ALL_BUT_SOME)
    share = int(fixed) or most // max(1, settings.slots)
    # Whoever gave the build to this builder saw to it that it has so much.
    return max(share, min(int(needed * _ROOM), most))
