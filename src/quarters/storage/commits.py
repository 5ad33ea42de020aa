"""Rows of commits: what their messages ask for, and what became of it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from quarters.model.commit import Commit
from quarters.storage.schema import commits, sources

_KEPT = 5000
"""Commits of a source that are remembered; a forced push that brings back older ones is no forced push any more."""


def note(connection: Connection, source: str, found: Sequence[Commit]) -> None:
    """Note commits in the order in which they came; one that was seen before, rebased or not, is nothing new."""
    seen = set(connection.execute(select(commits.c.identity).where(commits.c.source == source)).scalars())
    newest = connection.execute(
        select(func.coalesce(func.max(commits.c.number), 0)).where(commits.c.source == source)
    ).scalar_one()
    rows: dict[str, dict[str, Any]] = {}
    for each in found:
        if each.identity not in seen and each.identity not in rows:
            newest += 1
            rows[each.identity] = msgspec.structs.asdict(each) | {"number": newest}
    if rows:
        connection.execute(insert(commits), list(rows.values()))
        connection.execute(
            delete(commits).where(
                commits.c.source == source, commits.c.number <= newest - _KEPT, ~commits.c.pending
            )
        )


def pending(connection: Connection) -> list[Commit]:
    """Those whose wishes are still to be looked at, the oldest of each enabled source first."""
    query = (
        select(commits)
        .join(sources, sources.c.name == commits.c.source)
        .where(commits.c.pending, sources.c.enabled)
        .order_by(commits.c.source, commits.c.number)
    )
    return [_commit(row) for row in connection.execute(query)]


def done(connection: Connection, commit: Commit, request: int | None, problem: str) -> None:
    """Note what became of a commit's wishes."""
    query = update(commits).where(commits.c.source == commit.source, commits.c.identity == commit.identity)
    connection.execute(query.values(pending=False, request=request, problem=problem))


def listed(connection: Connection, source: str, *, before: int | None = None, limit: int) -> list[Commit]:
    """Commits of one source, the newest first; those before the place `before`."""
    query = select(commits).where(commits.c.source == source)
    if before is not None:
        query = query.where(commits.c.number < before)
    rows = connection.execute(query.order_by(commits.c.number.desc()).limit(limit))
    return [_commit(row) for row in rows]


def _commit(row: Any) -> Commit:
    return msgspec.convert({field: getattr(row, field) for field in Commit.__struct_fields__}, Commit)
