"""What happens to a rebuild, each within one transaction: it is asked for, grows, becomes complete, is given up."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from quarters.formats.format import Formats
from quarters.model.build import OPEN, SATISFIED, TERMINAL, State
from quarters.model.errors import Conflict
from quarters.model.rebuild import PENDING, Rebuild, RebuildState
from quarters.planning.together import why_not_visible
from quarters.protocol.rebuilds import RebuildRequest
from quarters.protocol.resources import Requested
from quarters.scheduler import catalogs
from quarters.scheduler.answers import answer
from quarters.scheduler.catalogs import View
from quarters.scheduler.enqueue import Order, enqueue
from quarters.scheduler.proposals import Proposal, sentences
from quarters.storage import builds, events, rebuilds, repositories, requests

_TOLD = 5
"""Reasons that a rebuild's detail holds before it only counts them."""

_STUCK = frozenset({State.BLOCKED})


def queue(
    connection: Connection, proposal: Proposal, request: RebuildRequest, requester: str, now: datetime
) -> Requested:
    """Carry out what a person, or a policy, asked for."""
    repository = proposal.repository
    number = requests.add(connection, repository, request.arch or "", requester, request.packages, now)
    planned = [build for part in proposal.parts for build in part.plan.builds]
    detail = "; ".join(dict.fromkeys(f"{it.pkgbase}: {it.detail}" for it in planned[:_TOLD]))
    more = f"; and {len(planned) - _TOLD} more" if len(planned) > _TOLD else ""
    rebuild = None
    if request.together and planned:
        rebuild = rebuilds.add(connection, repository, requester, f"{detail}{more}.", now)
    order = Order(request=number, requester=requester, priority=request.priority, rebuild=rebuild)
    done = [enqueue(connection, plan, recipes, order, now) for plan, recipes in proposal.parts]
    problems = sentences(connection, proposal)
    requests.set_problems(connection, number, problems, now)
    if rebuild is not None and not any(one.queued for one in done):
        rebuilds.forget(connection, rebuild)  # an earlier one has built all of it
        rebuild = None
    if rebuild is not None:
        data: events.Data = {"rebuild": rebuild, "detail": detail}
        events.record(connection, now, "rebuild.begun", repository, data)
    return answer(number, done, problems, rebuild=rebuild)


def grow(
    connection: Connection, proposal: Proposal, *, rebuild: Rebuild, formats: Formats, now: datetime
) -> bool:
    """Queue what else has to be built again, or call the rebuild complete; whether anything changed."""
    current = rebuilds.get(connection, rebuild.id)
    members = rebuilds.members(connection, rebuild.id)
    if current.state is not RebuildState.OPEN or any(it.state not in SATISFIED for it in members):
        return False
    number = requests.add(connection, proposal.repository, "", current.requester, (), now)
    order = Order(request=number, requester=current.requester, rebuild=rebuild.id)
    done = [enqueue(connection, plan, recipes, order, now) for plan, recipes in proposal.parts]
    problems = sentences(connection, proposal)
    if any(one.queued for one in done):
        requests.set_problems(connection, number, problems, now)
        return True
    requests.forget(connection, number)
    if problems:
        message = " ".join(problems)
        if message != current.message:
            rebuilds.change(connection, rebuild.id, RebuildState.OPEN, message=message)
        return False
    left = _left_out(connection, proposal.repository, rebuild, formats)
    rebuilds.change(
        connection, rebuild.id, RebuildState.OPEN, state=RebuildState.COMPLETE, left_out=left, message=""
    )
    return True


def _left_out(connection: Connection, name: str, rebuild: Rebuild, formats: Formats) -> Sequence[str]:
    """What stays broken: it has no recipe, or building it again did not help."""
    repository = repositories.get(connection, name)
    view = View(rebuilds.staging(connection, rebuild.id), linked=True)
    format = formats[repository.format]
    found: set[str] = set()
    for arch in repository.arches:
        found.update(catalogs.read(connection, repository, arch, format, view).catalog.broken)
    return sorted(found)


def publish(connection: Connection, number: int) -> None:
    """Let a rebuild be published without what did not succeed; Conflict."""
    rebuild = rebuilds.get(connection, number)
    members = rebuilds.members(connection, number)
    if rebuild.state not in PENDING:
        raise Conflict(f"Rebuild {number} is {rebuild.state}.")
    # What is blocked waits for something that broke, and would be published by itself afterwards.
    moving = [it for it in members if it.state in OPEN and it.state not in _STUCK]
    if moving:
        why = why_not_visible(rebuild, moving)
        raise Conflict(f"Rebuild {number} is still being built; cancel what is not worth the wait. {why}")
    if not any(it.state in SATISFIED for it in members):
        raise Conflict(f"Nothing of rebuild {number} has been built.")
    rebuilds.leave(connection, [it.id for it in members if it.state not in SATISFIED])
    rebuilds.change(connection, number, rebuild.state, state=RebuildState.COMPLETE, left_out=None)


def drop(connection: Connection, number: int, who: str, now: datetime) -> None:
    """Give a rebuild up; Conflict where it is over."""
    rebuild = rebuilds.get(connection, number)
    if rebuild.state not in PENDING:
        raise Conflict(f"Rebuild {number} is {rebuild.state}.")
    message = f"Dropped by {who}."
    for it in rebuilds.members(connection, number):
        if builds.state_of(connection, it.id) not in TERMINAL:
            builds.cancel(connection, it.id, now, message)
    rebuilds.change(
        connection, number, rebuild.state, state=RebuildState.DROPPED, message=message, ended_at=now
    )
    data: events.Data = {"rebuild": number, "actor": who}
    events.record(connection, now, "rebuild.dropped", rebuild.repository, data)
