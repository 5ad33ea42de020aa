"""A run: look at the upstreams of a tree's recipes, commit and push what passes, remember the rest."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from quarters.model.errors import QuartersError
from quarters.model.source import Source
from quarters.model.updates import UpdateRun, UpdateState
from quarters.protocol.updates import UpdateReport
from quarters.sources.mirror import Mirror
from quarters.sources.updates import publishing, terms, writing
from quarters.sources.updates.judging import Judge, Judged
from quarters.sources.updates.looking import Look, Outcome, Tools
from quarters.sources.updates.pushing import Branch, Pushed
from quarters.sources.updates.subjects import chosen, subjects
from quarters.sources.updates.trees import text
from quarters.sources.updates.upstream import Subject
from quarters.sources.updates.writing import Results
from quarters.storage import recipes, updates
from quarters.storage.database import Database


class _Found(msgspec.Struct, frozen=True):
    """What the rows and the tree say when a run begins."""

    run: UpdateRun
    states: Mapping[str, UpdateState]
    subjects: Sequence[Subject]
    terms: terms.Terms


class Run:
    """One run over `source`, whose mirror nobody else commits to."""

    def __init__(
        self, database: Database, source: Source, mirror: Mirror, tools: Tools, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._source = source
        self._mirror = mirror
        self._tools = tools
        self._now = now
        self._branch = Branch(mirror.git, source.updates.push or source.location, source.branch)

    async def perform(self, names: Sequence[str] = (), *, dry_run: bool = False) -> UpdateReport:
        """Look at the recipes that `names` name, () for all; SourceUnreachable if the tree itself cannot be read."""
        await self._mirror.git.prepare()
        tip = await self._branch.tip()
        found = await self._found(tip)
        asked = chosen(found.subjects, names)
        now = self._now()
        skipped = [] if names else [it for it in asked if _waits(found.states.get(it.path), now)]
        look = Look(self._mirror, self._tools, found.terms, commits=bool(self._source.updates.push))
        outcomes = await look.at(
            [it for it in asked if it not in skipped], {} if names else found.run.memory, skipped
        )
        judge = Judge(self._database, self._source, self._mirror, tip, self._now)
        judged = await judge.ask(outcomes, found.subjects, dry_run=dry_run)
        if dry_run:
            return _report(outcomes, judged, Pushed(folders=tuple(sorted(judged.folders))), look.problem)
        pushed, problem = await self._pushed(judged, found)
        published, failed = await self._published(found, outcomes, judged, pushed)
        results = Results(
            source=self._source.name,
            outcomes=outcomes if pushed else [it for it in outcomes if not it.changed],
            known=[it.path for it in found.subjects],
            pushed=pushed or Pushed(),
            taken=judged.taken if pushed else (),
            anew=judged.anew,
            problems=failed,
            published=published,
            memory=None if names else look.memory if pushed else {},
            problem=problem or look.problem,
            whole=not names,
        )
        await self._database.write(writing.write, results, self._now())
        report = _report(outcomes, judged, pushed or Pushed(), problem or look.problem)
        return msgspec.structs.replace(
            report, published=tuple(sorted(published)), problems={**report.problems, **failed}
        )

    async def _found(self, tip: str) -> _Found:
        name = self._source.name
        run, states = (
            await self._database.read(updates.run, name),
            await self._database.read(updates.states, name),
        )
        known = await self._database.read(recipes.of_source, name)
        held = await subjects(self._mirror, tip, known, states)
        configuration = await text(self._mirror.git, tip, terms.PATH)
        return _Found(run, states, held, terms.terms(self._source, configuration or ""))

    async def _pushed(self, judged: Judged, found: _Found) -> tuple[Pushed | None, str]:
        """What was pushed, None and why if nothing could be."""
        if not judged.folders:
            return Pushed(), ""
        try:
            pushed = await self._branch.push(
                judged.folders, found.terms.committer, found.run.commit, self._now()
            )
        except QuartersError as error:
            return None, f"What changed cannot be pushed: {error}"
        return pushed, ""

    async def _published(
        self, found: _Found, outcomes: Sequence[Outcome], judged: Judged, pushed: Pushed | None
    ) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The managed packages that were pushed to the AUR, with their folders' trees; and why others were not."""
        if pushed is None or not found.terms.publish:
            return {}, {}
        well = {it.subject.path for it in outcomes if not it.problem}
        now = [
            msgspec.structs.replace(it, tree=judged.folders[it.path].after)
            if it.path in judged.folders
            else it
            for it in found.subjects
            if it.configuration.publish_to_aur and it.path in well and it.path not in pushed.left
        ]
        aur = publishing.ManagedPackages(self._mirror, self._tools, found.terms, self._source.location)
        return await aur.push([it for it in now if it.marks.get("published") != it.tree], self._now())


def _waits(state: UpdateState | None, now: datetime) -> bool:
    return state is not None and state.retry_at is not None and state.retry_at > now


def _report(outcomes: Sequence[Outcome], judged: Judged, pushed: Pushed, problem: str) -> UpdateReport:
    return UpdateReport(
        looked=len(outcomes),
        committed=pushed.folders,
        commit=pushed.commit,
        waiting=judged.waiting,
        builds={
            it.subject.path: it.moved for it in outcomes if it.moved and not it.subject.configuration.trigger
        },
        problems={it.subject.path: it.problem for it in outcomes if it.problem},
        problem=problem,
    )
