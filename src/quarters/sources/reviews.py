"""Changes of recipes that wait for a person: how they come to wait, and what becomes of them."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from quarters.model.errors import Conflict
from quarters.model.review import Candidate, Place, Policy, Review, ReviewState, Risk, RiskKind
from quarters.planning.review import outcome
from quarters.storage import events, maintainers, reviews, sources


def propose(connection: Connection, candidate: Candidate, policy: Policy, now: datetime) -> Review | None:
    """Ask whether a change may be taken: None if it may at once, else the review that keeps it, which may be rejected.

    The same change can be proposed again and again; another one of the same recipe takes the place of one that waits.
    """
    maintained = maintainers.note(connection, candidate.source, candidate.path, candidate.maintainers, now)
    candidate = _with_newcomers(candidate, maintained.fresh)
    known = reviews.of_change(connection, candidate)
    if known is not None and known.state is ReviewState.REJECTED:
        return known
    _supersede_others(connection, candidate, now)
    fresh = [
        known.created_at if known is not None else now,
        *([maintained.since] if maintained.since else []),
    ]
    found = outcome(policy, candidate.verdict, candidate.maintainers, max(fresh), now)
    approved = known is not None and known.state is ReviewState.APPROVED
    if found.passes or approved:
        maintainers.settle(connection, candidate.source, candidate.path)
        if known is not None and not approved:
            _decided(connection, known, ReviewState.APPROVED, "policy", "", now)
            taken(connection, known.id)
        return None
    if known is None:
        number = reviews.add(connection, candidate, found.why, found.passes_at, now)
        made = reviews.get(connection, number)
        data: events.Data = {"source": made.source, "recipe": made.path, "risks": len(made.verdict.risks)}
        events.record(connection, now, "review.waiting", str(number), data)
        return made
    columns = msgspec.structs.asdict(candidate) | {"why": found.why, "passes_at": found.passes_at}
    if any(getattr(known, name) != value for name, value in columns.items()):
        reviews.change(connection, known.id, **columns)
    return reviews.get(connection, known.id)


def decide(
    connection: Connection, number: int, *, approve: bool, who: str, note: str, now: datetime
) -> Review:
    """Approve or reject a change that waits; Conflict if it does not, NotFound.

    What is approved is taken by the source's next sync or, from an upstream, by what commits to its tree; `taken` and
    `problem` tell.
    """
    review = reviews.get(connection, number)
    if review.state is not ReviewState.WAITING:
        raise Conflict(f"Review {number} is {review.state} already.")
    state = ReviewState.APPROVED if approve else ReviewState.REJECTED
    _decided(connection, review, state, who, note, now)
    if approve:
        maintainers.settle(connection, review.source, review.path)
        sources.change(connection, review.source, sync_wanted_at=now)
    return reviews.get(connection, number)


def taken(connection: Connection, number: int) -> None:
    """What was approved is in force."""
    reviews.change(connection, number, taken=True, problem="")


def supersede(
    connection: Connection, source: str, place: Place, still: Collection[str], now: datetime
) -> None:
    """End what waits in `source` for changes that are none any more: those to other fingerprints than `still`."""
    for review in reviews.unsettled(connection, source, place):
        if review.state is ReviewState.WAITING and review.to_fingerprint not in still:
            _decided(connection, review, ReviewState.SUPERSEDED, "", "", now)


def _supersede_others(connection: Connection, candidate: Candidate, now: datetime) -> None:
    for other in reviews.unsettled(connection, candidate.source, candidate.place):
        same = other.to_fingerprint == candidate.to_fingerprint
        if other.path == candidate.path and other.state is ReviewState.WAITING and not same:
            _decided(connection, other, ReviewState.SUPERSEDED, "", "", now)


def _decided(
    connection: Connection, review: Review, state: ReviewState, who: str, note: str, now: datetime
) -> None:
    reviews.change(connection, review.id, state=state, decided_at=now, decided_by=who, note=note)
    data: events.Data = {"source": review.source, "recipe": review.path, "by": who}
    events.record(connection, now, f"review.{state}", str(review.id), data)


def _with_newcomers(candidate: Candidate, fresh: Collection[str]) -> Candidate:
    found = [Risk(RiskKind.MAINTAINER, "", 0, f"{it} maintains it since the last change.") for it in fresh]
    if not found:
        return candidate
    verdict = msgspec.structs.replace(candidate.verdict, risks=(*found, *candidate.verdict.risks))
    return msgspec.structs.replace(candidate, verdict=verdict)
