"""Rows of reviews: changes of recipes that wait for a person, and what was decided about them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, or_, select, update

from quarters.model.errors import NotFound
from quarters.model.review import Candidate, Place, Review, ReviewState
from quarters.storage.schema import recipes, reviews, sources

_FIELDS = Review.__struct_fields__


def add(
    connection: Connection, candidate: Candidate, why: str, passes_at: datetime | None, now: datetime
) -> int:
    """Let a change wait; the number of its review."""
    values = msgspec.structs.asdict(candidate) | {"state": ReviewState.WAITING, "why": why}
    made = insert(reviews).values(**values, passes_at=passes_at, created_at=now)
    number: int = connection.execute(made.returning(reviews.c.id)).scalar_one()
    return number


def change(connection: Connection, number: int, /, **columns: Any) -> None:
    """Set columns of one review."""
    connection.execute(update(reviews).where(reviews.c.id == number).values(**columns))


def get(connection: Connection, number: int) -> Review:
    """One review, or NotFound."""
    row = connection.execute(select(reviews).where(reviews.c.id == number)).one_or_none()
    if row is None:
        raise NotFound(f"There is no review {number}.")
    return _review(row)


def listed(
    connection: Connection,
    *,
    states: Collection[ReviewState] = (),
    source: str | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> list[Review]:
    """Reviews, the newest first; those with a number below `before`, in one of `states` (none: any)."""
    query = select(reviews).order_by(reviews.c.id.desc()).limit(limit)
    if states:
        query = query.where(reviews.c.state.in_(sorted(states)))
    if source is not None:
        query = query.where(reviews.c.source == source)
    if before is not None:
        query = query.where(reviews.c.id < before)
    return [_review(row) for row in connection.execute(query)]


def of_change(connection: Connection, candidate: Candidate) -> Review | None:
    """The newest review of this very change that still says something about it."""
    query = (
        select(reviews)
        .where(reviews.c.source == candidate.source, reviews.c.path == candidate.path)
        .where(reviews.c.place == candidate.place, reviews.c.to_fingerprint == candidate.to_fingerprint)
        .where(reviews.c.state != ReviewState.SUPERSEDED)
    )
    row = connection.execute(query.order_by(reviews.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _review(row)


def unsettled(connection: Connection, source: str | None, place: Place) -> list[Review]:
    """Those that wait, and those that were approved and are not in force yet, the oldest first; None: of all sources."""
    query = (
        select(reviews)
        .where(reviews.c.place == place)
        .where(
            or_(
                reviews.c.state == ReviewState.WAITING,
                (reviews.c.state == ReviewState.APPROVED) & ~reviews.c.taken,
            )
        )
    )
    if source is not None:
        query = query.where(reviews.c.source == source)
    return [_review(row) for row in connection.execute(query.order_by(reviews.c.id))]


def requested(connection: Connection, source: str) -> list[Review]:
    """Those whose merge request, or its branch, is still at the forge, the oldest first."""
    query = select(reviews).where(reviews.c.source == source, reviews.c.request.is_not(None))
    return [_review(row) for row in connection.execute(query.order_by(reviews.c.id))]


def of_repository(connection: Connection, repository: str) -> dict[str, int]:
    """The newest review that waits for each recipe of a repository's enabled sources, by pkgbase."""
    same = (recipes.c.source == reviews.c.source) & (recipes.c.path == reviews.c.path)
    query = (
        select(reviews.c.id, func.coalesce(recipes.c.pkgbase, reviews.c.path).label("pkgbase"))
        .join(sources, sources.c.name == reviews.c.source)
        .outerjoin(recipes, same)
        .where(reviews.c.state == ReviewState.WAITING, sources.c.repository == repository, sources.c.enabled)
        .order_by(reviews.c.id)
    )
    return {row.pkgbase: row.id for row in connection.execute(query)}


def _review(row: Any) -> Review:
    return msgspec.convert({field: getattr(row, field) for field in _FIELDS}, Review)
