"""What a build waits for, from the same rows by which builds are given out."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from quarters.model.build import Build, State
from quarters.model.rebuild import PENDING, RebuildState
from quarters.planning.farm import Farm, Host
from quarters.planning.shares import handicap
from quarters.planning.together import why_not_visible
from quarters.planning.why import Circumstances
from quarters.planning.wording import Ahead
from quarters.scheduler.selection import Rules, farm_of
from quarters.storage import builders, lacks, leases, queues, rebuilds, reviews
from quarters.storage.needs import Prerequisite
from quarters.storage.queues import Standing


def circumstances(
    connection: Connection,
    build: Build,
    prerequisites: Collection[Prerequisite],
    alive_since: datetime,
    rules: Rules,
    now: datetime,
) -> Circumstances:
    """Those of `build`; builders seen since `alive_since` count as there."""
    unfinished = [(one.pkgbase, one.state) for one in prerequisites]
    review = reviews.of_repository(connection, build.repository).get(build.pkgbase)
    if build.state is not State.READY:
        return Circumstances(
            now=now,
            unfinished=unfinished,
            lacks=lacks.of(connection, build.id),
            together=_together(connection, build),
            review=review,
        )
    found = queues.standings(connection, now)
    alive = tuple(builders.alive(connection, alive_since))
    loads = leases.loads(connection)
    farm = farm_of(connection, found, rules, now, others=alive)
    hosts = [
        Host.of(builder, builder.slots - len(running), running, rules.assumed)
        for builder in alive
        for running in [loads.get(builder.name, [])]
    ]
    return Circumstances(
        now=now,
        hosts=hosts,
        farm=farm,
        lost_by=queues.lost_by(connection, build.id, now),
        ahead=_ahead(connection, build, found, farm, now),
        review=review,
    )


def _together(connection: Connection, build: Build) -> str:
    """What keeps a build that succeeded from being visible."""
    if build.state is not State.SUCCEEDED or build.rebuild is None:
        return ""
    rebuild = rebuilds.get(connection, build.rebuild)
    if rebuild.state not in PENDING:
        return "" if rebuild.state is RebuildState.PUBLISHED else rebuild.message
    return why_not_visible(rebuild, rebuilds.members(connection, rebuild.id))


def _ahead(
    connection: Connection, build: Build, found: Collection[Standing], farm: Farm, now: datetime
) -> Ahead:
    competing = {one.queue.source for one in found if one.head and one.queue.arch == build.arch}
    if not competing:
        return Ahead()
    late = {source: handicap(source, farm.served, competing) for source in competing}
    due = queues.due_of(connection, build.id)
    mine = due + handicap(build.source, farm.served, competing)
    before = queues.due_before(
        connection, build.arch, now, [(it, mine - late[it]) for it in sorted(competing)]
    )
    by_due = queues.due_before(connection, build.arch, now, [(it, due) for it in sorted(competing)])
    by_share = sum(
        max(0, count - by_due.get(source, 0)) for source, count in before.items() if source != build.source
    )
    return Ahead(sum(before.values()), by_share)
