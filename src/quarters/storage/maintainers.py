"""Rows of maintainers: who may change recipes at their origin, and since when."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, insert, select, update

from quarters.storage.schema import maintainers


class Maintained(msgspec.Struct, frozen=True):
    """Who may change a recipe: `since` is when that changed, None if it never did while somebody looked.

    `fresh` are those of them who could not when a change of it was last taken.
    """

    since: datetime | None = None
    fresh: tuple[str, ...] = ()


def note(
    connection: Connection, source: str, path: str, accounts: Sequence[str], now: datetime
) -> Maintained:
    """Note who may change a recipe now; no accounts at all say nothing."""
    row = connection.execute(
        select(maintainers).where(maintainers.c.source == source, maintainers.c.path == path)
    ).one_or_none()
    ordered = sorted(set(accounts))
    if row is None:
        if ordered:
            connection.execute(
                insert(maintainers).values(source=source, path=path, accounts=ordered, before=ordered)
            )
        return Maintained()
    since = row.since
    if ordered and ordered != row.accounts:
        since = now
        _change(connection, source, path, accounts=ordered, since=now)
    return Maintained(since, tuple(it for it in ordered if it not in row.before))


def settle(connection: Connection, source: str, path: str) -> None:
    """A change of the recipe was taken: whoever maintains it now is nobody new any more."""
    _change(connection, source, path, before=maintainers.c.accounts)


def _change(connection: Connection, source: str, path: str, **columns: object) -> None:
    query = update(maintainers).where(maintainers.c.source == source, maintainers.c.path == path)
    connection.execute(query.values(**columns))


def note_all(
    connection: Connection, source: str, accounts: Mapping[str, Sequence[str]], now: datetime
) -> None:
    """Note who may change each recipe of a source, by folder."""
    query = select(maintainers.c.path, maintainers.c.accounts).where(maintainers.c.source == source)
    known = {row.path: row.accounts for row in connection.execute(query)}
    for path, these in accounts.items():
        if known.get(path) != sorted(set(these)):
            note(connection, source, path, these, now)
