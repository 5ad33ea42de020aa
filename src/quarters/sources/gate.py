"""Which state of each recipe is in force: what its source has now, or what it had before a change that waits for review."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from quarters.model.recipe import SourcedRecipe
from quarters.model.review import Candidate, Level, Place, Review, ReviewState
from quarters.model.source import Source
from quarters.planning.review import judge
from quarters.sources.arbitration import LOOK_AGAIN
from quarters.sources.comparing import files, tree_of
from quarters.sources.intake import Standing
from quarters.sources.mirror import Mirror
from quarters.sources.reviews import propose, supersede
from quarters.sources.source import Fetched
from quarters.storage import maintainers, reviews
from quarters.storage.database import Database


class Admitted(msgspec.Struct, frozen=True):
    """What is in force, by folder, and the reviews whose approved changes are among it."""

    listing: Mapping[str, Standing]
    taken: tuple[int, ...] = ()


class Gate:
    """Holds back changes that a source's policy wants a person to see; the state of before stays in force meanwhile."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def busy(self, source: Source, fetched: Fetched) -> bool:
        """Whether there is something to decide though the source has not moved on; notes who maintains what."""
        if source.review is not Level.OFF and fetched.maintainers:
            await self._database.write(maintainers.note_all, source.name, fetched.maintainers, self._now())
        return bool(await self._database.read(reviews.unsettled, source.name, Place.SOURCE))

    async def admit(
        self, source: Source, mirror: Mirror, fetched: Fetched, before: Sequence[SourcedRecipe]
    ) -> Admitted:
        """What is to be read; nothing of what waits is looked into, but for comparing its files."""
        there = await mirror.listing(fetched.revision)
        open_ = await self._database.read(reviews.unsettled, source.name, Place.SOURCE)
        approved = {each.path: each for each in open_ if each.state is ReviewState.APPROVED}
        listing = {path: Standing(tree, fetched.revision) for path, tree in there.items()}
        if source.review is not Level.OFF and (source.revision or source.review is Level.ALL):
            standing = await _in_force(mirror, before, approved)
            held = _known_names(before)
            for path, now in list(listing.items()):
                base = standing.get(path)
                if base is not None and base.fingerprint == now.fingerprint:
                    listing[path] = base
                elif base is None and _asked_for(source, fetched, path, held):
                    continue
                elif not await self._passes(source, mirror, fetched, path, base, now):
                    if base is None:
                        del listing[path]
                    else:
                        listing[path] = base
        still = {
            there[path] for path in there if listing.get(path, Standing("", "")).fingerprint != there[path]
        }
        await self._database.write(supersede, source.name, Place.SOURCE, still, self._now())
        return Admitted(listing, tuple(each.id for each in open_ if _is_taken(each, approved, listing)))

    async def _passes(
        self,
        source: Source,
        mirror: Mirror,
        fetched: Fetched,
        path: str,
        base: Standing | None,
        now: Standing,
    ) -> bool:
        old = base or Standing("", "")
        # A list of what may change without a look, kept beside the recipe, would be the stranger's own.
        verdict = judge(await files(mirror, old.fingerprint), await files(mirror, now.fingerprint), ())
        authors = await mirror.authors(fetched.revision, [path], source.revision)
        candidate = Candidate(
            source=source.name,
            path=path,
            place=Place.SOURCE,
            from_revision=old.revision,
            from_fingerprint=old.fingerprint,
            to_revision=now.revision,
            to_fingerprint=now.fingerprint,
            verdict=verdict,
            maintainers=fetched.maintainers.get(path, ()),
            author=authors.get(path, ""),
        )

        def ask(connection: Connection) -> Review | None:
            return propose(connection, candidate, source.policy(source.review), self._now())

        return await self._database.write(ask) is None


async def _in_force(
    mirror: Mirror, before: Sequence[SourcedRecipe], approved: Mapping[str, Review]
) -> dict[str, Standing]:
    found: dict[str, Standing] = {}
    for each in before:
        origin = each.origin
        tree = origin.fingerprint
        if tree == LOOK_AGAIN:
            tree = await tree_of(mirror, origin.revision, origin.path)
        found[origin.path] = Standing(tree, origin.revision)
    return found | {path: Standing(it.to_fingerprint, it.to_revision) for path, it in approved.items()}


def _known_names(before: Sequence[SourcedRecipe]) -> frozenset[str]:
    found = {name for each in before for name in (each.pkgbase, each.origin.path)}
    return frozenset(
        found.union(it.name for each in before if each.recipe is not None for it in each.recipe.outputs)
    )


def _asked_for(source: Source, fetched: Fetched, path: str, held: frozenset[str]) -> bool:
    """Whether a folder is new because a person asked for a package, and not because one moved there."""
    return source.review is Level.MAJOR and not held.issuperset(fetched.names.get(path, ()))


def _is_taken(review: Review, approved: Mapping[str, Review], listing: Mapping[str, Standing]) -> bool:
    """Whether an approved change is in force now, or was overtaken by a later one that was approved too, or is gone."""
    if review.state is not ReviewState.APPROVED:
        return False
    now = listing.get(review.path)
    return now is None or now.fingerprint == review.to_fingerprint or approved[review.path].id != review.id
