"""Package files that nothing lists: marked first, removed a while later, and spared if somebody wants them meanwhile.

Whoever relies on a file that is there already takes its mark away before (`spare`), and a file is removed only within
the transaction that removes its mark. So one of the two waits for the other, in whatever process they run.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, exists, func, insert, select

from quarters.model.build import OPEN
from quarters.storage.schema import artifacts, builds, entries, garbage, holds, packages

_AT_ONCE = 1000


def spare(connection: Connection, *sha256s: str) -> None:
    """Take marks away."""
    for some in _chunks(sha256s):
        connection.execute(delete(garbage).where(garbage.c.sha256.in_(some)))


def marked(connection: Connection, sha256: str) -> bool:
    """Whether a file is marked."""
    query = select(garbage.c.sha256).where(garbage.c.sha256 == sha256)
    return connection.execute(query).first() is not None


def mark(connection: Connection, sha256s: Collection[str], now: datetime) -> int:
    """Mark those of `sha256s` that nothing wants and that are not marked yet; returns how many."""
    fresh = sorted(set(sha256s).difference(wanted(connection, sha256s), _marked(connection, sha256s)))
    if fresh:
        connection.execute(insert(garbage), [{"sha256": sha256, "marked_at": now} for sha256 in fresh])
    return len(fresh)


def unlisted(connection: Connection, after: str, limit: int) -> list[str]:
    """Packages beyond the sha256 `after` that no snapshot lists."""
    listing = exists().where(entries.c.sha256 == packages.c.sha256)
    query = select(packages.c.sha256).where(packages.c.sha256 > after, ~listing)
    return list(connection.execute(query.order_by(packages.c.sha256).limit(limit)).scalars())


def wanted(connection: Connection, sha256s: Collection[str]) -> set[str]:
    """Those of `sha256s` that a snapshot lists or an open build has delivered."""
    found: set[str] = set()
    for some in _chunks(sha256s):
        listed = select(entries.c.sha256).where(entries.c.sha256.in_(some))
        delivered = (
            select(artifacts.c.sha256)
            .join(builds, builds.c.id == artifacts.c.build)
            .where(artifacts.c.sha256.in_(some), builds.c.state.in_(sorted(OPEN)))
        )
        for query in (listed, delivered):
            found.update(connection.execute(query).scalars())
    return found


def known(connection: Connection, sha256s: Collection[str]) -> set[str]:
    """Those of `sha256s` that are packages or marked."""
    found = _marked(connection, sha256s)
    for some in _chunks(sha256s):
        found.update(
            connection.execute(select(packages.c.sha256).where(packages.c.sha256.in_(some))).scalars()
        )
    return found


def count(connection: Connection) -> int:
    """How many files are marked."""
    return int(connection.execute(select(func.count()).select_from(garbage)).scalar_one())


def hold(connection: Connection, name: str, until: datetime) -> None:
    """Let no file be removed until then, or until `release`; whoever needs longer holds again under the same name."""
    release(connection, name)
    connection.execute(insert(holds).values(name=name, until=until))


def release(connection: Connection, name: str) -> None:
    """Let files be removed again."""
    connection.execute(delete(holds).where(holds.c.name == name))


def held(connection: Connection, now: datetime) -> bool:
    """Whether somebody holds the files; what was held for too long by a killed process is forgotten."""
    connection.execute(delete(holds).where(holds.c.until <= now))
    return connection.execute(select(holds.c.name).limit(1)).first() is not None


def remove(
    connection: Connection, before: datetime, limit: int, unlink: Callable[[str], int], now: datetime
) -> tuple[int, int]:
    """Remove up to `limit` of what was marked until `before` and is still unwanted, calling `unlink` for each file.

    Returns how many marks were dealt with and how many bytes became free. Killed within, it leaves a mark without a
    file, which the next call removes. Nothing is removed while somebody holds the files.
    """
    if held(connection, now):
        return 0, 0
    query = select(garbage.c.sha256).where(garbage.c.marked_at <= before).order_by(garbage.c.sha256)
    due = list(connection.execute(query.limit(limit).with_for_update()).scalars())
    if not due:
        return 0, 0
    unwanted = sorted(set(due) - wanted(connection, due))
    connection.execute(delete(garbage).where(garbage.c.sha256.in_(due)))
    connection.execute(delete(packages).where(packages.c.sha256.in_(unwanted)))
    return len(due), sum(map(unlink, unwanted))


def _marked(connection: Connection, sha256s: Collection[str]) -> set[str]:
    found: set[str] = set()
    for some in _chunks(sha256s):
        found.update(connection.execute(select(garbage.c.sha256).where(garbage.c.sha256.in_(some))).scalars())
    return found


def _chunks(sha256s: Collection[str]) -> list[Sequence[str]]:
    wanted = sorted(sha256s)
    return [wanted[start : start + _AT_ONCE] for start in range(0, len(wanted), _AT_ONCE)]
