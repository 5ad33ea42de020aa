"""Which changes of upstreams a tree takes over: those that pass, those that a person approved, and none beyond."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from quarters.model.review import Candidate, Level, Place, Review, ReviewState
from quarters.model.source import Source
from quarters.planning.review import judge
from quarters.sources import reviews as reviewing
from quarters.sources.comparing import files
from quarters.sources.mirror import Mirror
from quarters.sources.updates.looking import Outcome
from quarters.sources.updates.pushing import Folder
from quarters.sources.updates.trees import taken_over
from quarters.sources.updates.upstream import Subject
from quarters.storage import reviews
from quarters.storage.database import Database

_OVERTAKEN = "The folder changed in the tree meanwhile, so what the upstream has is looked at anew."


class Judged(msgspec.Struct, frozen=True):
    """Folders to commit, reviews whose changes are among them, folders whose changes wait, and those to look at anew."""

    folders: dict[str, Folder]
    taken: tuple[int, ...] = ()
    waiting: tuple[str, ...] = ()
    anew: tuple[str, ...] = ()


class Judge:
    """Asks the source's policy about each change; without writing anything for a `dry_run`."""

    def __init__(
        self, database: Database, source: Source, mirror: Mirror, tip: str, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._source = source
        self._mirror = mirror
        self._tip = tip
        self._now = now

    async def ask(self, outcomes: Sequence[Outcome], subjects: Sequence[Subject], *, dry_run: bool) -> Judged:
        """What of `outcomes`, and of what waited, may be committed now."""
        drafts = [(await self._candidate(it), self._level(it)) for it in outcomes if it.changed]
        unsettled = await self._database.read(reviews.unsettled, self._source.name, Place.UPSTREAM)
        if dry_run:
            return Judged(
                {it.path: Folder(it.from_fingerprint, it.to_fingerprint) for it, _ in drafts},
                waiting=tuple(sorted({it.path for it in unsettled})),
            )
        proposals = [it for it in drafts if it[0].from_fingerprint != it[0].to_fingerprint]
        kept = await self._database.write(self._proposed, proposals)
        folders = {
            it.path: Folder(it.from_fingerprint, it.to_fingerprint)
            for it, _ in proposals
            if it.path not in kept
        }
        judged = Judged(folders, waiting=tuple(kept))
        return await self._with_waiting(judged, subjects)

    def _proposed(
        self, connection: Connection, drafts: Sequence[tuple[Candidate, Level]]
    ) -> dict[str, Review]:
        kept = {}
        for candidate, level in drafts:
            policy = self._source.policy(level)
            review = reviewing.propose(connection, candidate, policy, self._now())
            if review is not None:
                kept[candidate.path] = review
        return kept

    async def _with_waiting(self, judged: Judged, subjects: Sequence[Subject]) -> Judged:
        """Along with what was approved since it was proposed, or has waited long enough."""
        by_path = {it.path: it for it in subjects}
        unsettled = await self._database.read(reviews.unsettled, self._source.name, Place.UPSTREAM)
        folders, taken, waiting, anew = dict(judged.folders), [], list(judged.waiting), []
        for review in unsettled:
            subject = by_path.get(review.path)
            if subject is None:
                continue
            if review.path in judged.folders:
                # What passes now is newer, or is this very change.
                taken += [review.id] if review.state is ReviewState.APPROVED else []
            elif not await self._passes(review):
                waiting.append(review.path)
            elif (tree := await self._onto(subject, review)) is None:
                anew.append(review.path)
                await self._database.write(_overtaken, review.id)
            else:
                folders[review.path] = Folder(subject.tree, tree)
                taken.append(review.id)
        return Judged(folders, tuple(taken), tuple(sorted(set(waiting))), tuple(anew))

    async def _passes(self, review: Review) -> bool:
        if review.state is ReviewState.APPROVED:
            return True
        if review.passes_at is None or review.passes_at > self._now():
            return False
        fields = {name: getattr(review, name) for name in Candidate.__struct_fields__}
        draft = (Candidate(**fields), self._source.update_review)
        return not await self._database.write(self._proposed, [draft])

    async def _onto(self, subject: Subject, review: Review) -> str | None:
        """The folder with a review's change, None if people changed more than what a tree keeps to itself."""
        git = self._mirror.git
        if subject.tree == review.from_fingerprint:
            return review.to_fingerprint
        if await taken_over(git, subject.tree, review.from_fingerprint) != subject.tree:
            return None
        return await taken_over(git, subject.tree, review.to_fingerprint)

    def _level(self, outcome: Outcome) -> Level:
        level = self._source.update_review
        return Level.ALL if outcome.always_reviewed and level is not Level.OFF else level

    async def _candidate(self, outcome: Outcome) -> Candidate:
        subject = outcome.subject
        allow = [re.compile(it) for it in subject.configuration.minor_changes]
        old, new = await files(self._mirror, subject.tree), await files(self._mirror, outcome.tree)
        return Candidate(
            source=self._source.name,
            path=subject.path,
            place=Place.UPSTREAM,
            from_revision=self._tip,
            from_fingerprint=subject.tree,
            to_revision=self._tip,
            to_fingerprint=outcome.tree,
            verdict=judge(old, new, allow),
            maintainers=outcome.maintainers,
            author=outcome.author,
        )


def _overtaken(connection: Connection, number: int) -> None:
    reviews.change(connection, number, state=ReviewState.SUPERSEDED, problem=_OVERTAKEN)
