"""What a sync writes down, in one transaction."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from quarters.model.commit import Commit
from quarters.model.errors import NotFound
from quarters.model.recipe import SourcedRecipe
from quarters.model.source import Source
from quarters.sources import reviews
from quarters.sources.arbitration import Verdict
from quarters.sources.source import Fetched
from quarters.storage import builds, commits, events, recipes, sources, withdrawals
from quarters.storage.events import Data


class Reading(msgspec.Struct, frozen=True):
    """What a sync found: where the source stands, what to change, and what people committed since the last one."""

    fetched: Fetched
    verdict: Verdict
    commits: Sequence[Commit] = ()
    taken: tuple[int, ...] = ()
    """Reviews whose approved changes are in force with it."""


_WHERE = ("kind", "location", "branch", "path", "packages", "prereleases")


def succeeded(
    connection: Connection, synced: Source, reading: Reading, began: datetime, now: datetime
) -> None:
    """Take over what `synced`, as it was set when the sync began, has now."""
    if not _still_so(connection, synced):
        return
    fetched, verdict, revision = reading.fetched, reading.verdict, reading.fetched.revision
    commits.note(connection, synced.name, reading.commits)
    for number in reading.taken:
        reviews.taken(connection, number)
    recipes.withdraw(connection, synced.name, verdict.withdrawn)
    recipes.put(connection, verdict.put)
    sources.change(connection, synced.name, revision=revision, synced_at=now, problem=fetched.problem)
    sources.no_longer_wanted(connection, synced.name, began)
    if not (verdict.put or verdict.withdrawn):
        if (synced.problem, synced.revision) != (fetched.problem, revision):
            events.record(connection, now, "source.synced", synced.name, {"revision": revision})
        return
    unwanted = withdrawals.unfinished(connection, synced.name, verdict.withdrawn)
    builds.abandon(connection, unwanted, now, f"The recipe left the source {synced.name!r}.")
    withdrawals.note(connection, synced.name, [*verdict.withdrawn, *verdict.lessened], now)
    sources.advance(connection, synced.name)
    counts: Data = {"changed": len(verdict.put), "withdrawn": len(verdict.withdrawn)}
    events.record(connection, now, "source.synced", synced.name, {"revision": revision, **counts})
    events.record_all(
        connection, now, "recipe.changed", [(each.pkgbase, _changed(each)) for each in verdict.put]
    )
    events.record_all(
        connection,
        now,
        "recipe.withdrawn",
        [(pkgbase, {"source": synced.name}) for pkgbase in verdict.withdrawn],
    )


def failed(connection: Connection, synced: Source, problem: str, began: datetime, now: datetime) -> None:
    """Note why `synced` could not be read; its recipes stay as they are."""
    if not _still_so(connection, synced):
        return
    sources.change(connection, synced.name, synced_at=now, problem=problem)
    sources.no_longer_wanted(connection, synced.name, began)
    if synced.problem != problem:
        events.record(connection, now, "source.failed", synced.name, {"problem": problem})


def _still_so(connection: Connection, synced: Source) -> bool:
    """Whether nobody removed the source or pointed it elsewhere meanwhile; then the next sync is what counts."""
    try:
        current = sources.get(connection, synced.name)
    except NotFound:
        return False
    return all(getattr(current, field) == getattr(synced, field) for field in _WHERE)


def _changed(each: SourcedRecipe) -> Data:
    version = each.recipe.version if each.recipe is not None else None
    return {"source": each.origin.source, "version": version, "problem": each.problem or None}
