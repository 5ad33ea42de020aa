"""What a package's builds used before, and so what the next one needs."""

from collections.abc import Collection

import msgspec

from quarters.model.build import Outcome, Reason
from quarters.model.builder import Builder


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, and the most bytes of memory and disk at a time; 0 is not known."""

    seconds: int = 0
    memory: int = 0
    disk: int = 0


def learnt(before: Usage, used: Usage, outcome: Outcome, reason: Reason | None = None) -> Usage:
    """What to expect from the next build after one that `used` so much.

    The average leans to the latest for time; memory and disk rise at once and fall by halves, since too little ends a
    build. What broke off tells how much it needs at least, and one that had too little needs half as much again.
    """
    if outcome is Outcome.BUILT:
        return Usage(
            seconds=_mean(before.seconds, used.seconds) or before.seconds,
            memory=_careful(before.memory, used.memory),
            disk=_careful(before.disk, used.disk),
        )
    if outcome in (Outcome.SKIPPED, Outcome.HANDED_BACK):
        return before
    memory = used.memory * 3 // 2 if reason is Reason.OUT_OF_MEMORY else used.memory
    disk = used.disk * 3 // 2 if reason is Reason.DISK_FULL else used.disk
    return Usage(
        seconds=max(before.seconds, used.seconds) if outcome is Outcome.TIMED_OUT else before.seconds,
        memory=max(before.memory, memory) if before.memory or reason is Reason.OUT_OF_MEMORY else 0,
        disk=max(before.disk, disk) if before.disk or reason is Reason.DISK_FULL else 0,
    )


def bounded(known: Usage, builders: Collection[Builder]) -> Usage:
    """`known`, but no more than the largest of `builders` has: a guess is not to keep a package from every builder.

    One that does not say what it has has enough.
    """
    memory = _bounded(known.memory, [builder.memory for builder in builders])
    disk = _bounded(known.disk, [builder.disk for builder in builders])
    return msgspec.structs.replace(known, memory=memory, disk=disk)


def _bounded(needed: int, there: Collection[int]) -> int:
    return min(needed, max(there)) if there and all(there) else needed


def _mean(before: int, used: int) -> int:
    return (before + used + 1) // 2 if before and used else used


def _careful(before: int, used: int) -> int:
    return max(used, (before + used) // 2) if used else before
