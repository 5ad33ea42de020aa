"""What the builds of a package used, and so what the next one is expected to."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from quarters.model.build import Build
from quarters.planning.usage import Usage
from quarters.storage.schema import builds, usage
from quarters.storage.transitions import chunks


def of(connection: Connection, arch: str, pkgbases: Collection[str]) -> dict[str, Usage]:
    """By pkgbase, what is known; the others are left out."""
    found: dict[str, Usage] = {}
    numbered = dict(enumerate(sorted(pkgbases)))
    for some in chunks(numbered):
        query = select(usage).where(usage.c.arch == arch, usage.c.pkgbase.in_([numbered[n] for n in some]))
        found.update(
            (row.pkgbase, Usage(seconds=row.seconds, memory=row.memory, disk=row.disk))
            for row in connection.execute(query)
        )
    return found


def put(connection: Connection, pkgbase: str, arch: str, now: datetime, learnt: Usage) -> None:
    """Keep what is expected of the next build of `pkgbase` for `arch`."""
    key = (usage.c.pkgbase == pkgbase, usage.c.arch == arch)
    values = {"seconds": learnt.seconds, "memory": learnt.memory, "disk": learnt.disk, "measured_at": now}
    if connection.execute(update(usage).where(*key).values(values)).rowcount == 0:
        connection.execute(insert(usage).values(pkgbase=pkgbase, arch=arch, **values))


def expect(connection: Connection, build: Build, needed: Usage) -> None:
    """Let the next attempt of `build` need so much, or what it needed before if that is more."""
    values = {
        "duration": needed.seconds or build.duration,
        "memory": max(needed.memory, build.memory),
        "disk": max(needed.disk, build.disk),
    }
    connection.execute(update(builds).where(builds.c.id == build.id).values(values))


def durations(connection: Connection, ids: Iterable[int]) -> dict[int, int]:
    """The seconds that each of these builds is expected to take, 0 where that is not known."""
    found: dict[int, int] = {}
    for some in chunks(sorted(ids)):
        query = select(builds.c.id, builds.c.duration).where(builds.c.id.in_(some))
        found.update((row.id, row.duration) for row in connection.execute(query))
    return found
