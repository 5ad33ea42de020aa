"""One look at the upstreams of many recipes; what one of them lacks is no matter to the others."""

from collections.abc import Mapping, Sequence

import msgspec

from quarters.formats.format import Format
from quarters.model.errors import QuartersError, RecipeInvalid
from quarters.sources.evaluate import Evaluator
from quarters.sources.gitlab import Gitlab
from quarters.sources.mirror import Mirror
from quarters.sources.processes import together
from quarters.sources.settings import SourcesSettings
from quarters.sources.updates.aur import AurUpstream
from quarters.sources.updates.branches import Branches
from quarters.sources.updates.hook import UpdateHook
from quarters.sources.updates.pace import Pace
from quarters.sources.updates.refs import Refs
from quarters.sources.updates.releases import GitlabUpstream, Nvchecker, NvcheckerUpstream, Release
from quarters.sources.updates.repository import RepositoryUpstream
from quarters.sources.updates.terms import Terms
from quarters.sources.updates.trees import SRCINFO, encoded, text, with_file
from quarters.sources.updates.upstream import Subject, Upstream
from quarters.sources.updates.workbench import Workbench
from quarters.sources.web import Web


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a look found about one recipe: its folder as it would be, and what to remember once that is dealt with."""

    subject: Subject
    tree: str
    marks: Mapping[str, str] = {}
    moved: str = ""
    problem: str = ""
    lasting: bool = False
    """Whether the problem is an answer, and looking again soon would bring no other."""
    maintainers: tuple[str, ...] = ()
    author: str = ""
    always_reviewed: bool = False

    @property
    def changed(self) -> bool:
        """Whether the folder would be another."""
        return self.tree != self.subject.tree


class Tools(msgspec.Struct, frozen=True):
    """What a look needs of the machine."""

    settings: SourcesSettings
    format: Format
    evaluator: Evaluator
    workbench: Workbench


class Look:
    """A look on certain terms; without `commits`, only at what moves on without a change of the tree."""

    def __init__(self, mirror: Mirror, tools: Tools, terms: Terms, *, commits: bool) -> None:
        settings = tools.settings
        pace = Pace(terms.parallel, terms.delay)
        refs = Refs(mirror.git, settings.fetch_timeout)
        release = Release(mirror, tools.workbench, tools.format)
        self._mirror = mirror
        self._tools = tools
        web = Web(settings.fetch_timeout, terms.proxy)
        self._aur = AurUpstream(settings.aur, web, mirror, pace, terms.proxy)
        self._repositories = RepositoryUpstream(refs, mirror, pace)
        self._branches = Branches(refs)
        self._hooks = UpdateHook(mirror, tools.workbench)
        gitlab = GitlabUpstream(Gitlab(Web(settings.fetch_timeout), settings.gitlab), release)
        nvchecker = NvcheckerUpstream(
            Nvchecker(mirror, tools.workbench), release, reviewed=terms.nvchecker_reviewed
        )
        self._kinds: Sequence[Upstream] = (
            [self._aur, self._repositories, gitlab, nvchecker, self._branches, self._hooks]
            if commits
            else [self._branches]
        )
        self.memory: Mapping[str, str] = {}
        """Validators of the AUR's answer, none unless every recipe was held against it."""
        self.problem = ""
        """Why a kind of upstream as a whole could not be looked at."""

    async def at(
        self, subjects: Sequence[Subject], memory: Mapping[str, str], skipped: Sequence[Subject] = ()
    ) -> list[Outcome]:
        """Look at the upstreams of all of them; `skipped` are those that wait for another time."""
        # An answer that some were not held against must come again.
        whole = not any(self._aur.concerns(it) for it in skipped)
        down = await self._prepare(subjects, memory if whole else {})
        kinds = [kind for kind in self._kinds if kind is not down]
        outcomes = await together(*(self._outcome(subject, kinds) for subject in subjects))
        failed = any(it.problem and not it.lasting and self._aur.concerns(it.subject) for it in outcomes)
        self.memory = self._aur.memory if whole and not failed and down is not self._aur else {}
        return outcomes

    async def _prepare(self, subjects: Sequence[Subject], memory: Mapping[str, str]) -> Upstream | None:
        """Ask what can be asked about all of them together; the kind that could not be asked at all."""
        if self._branches in self._kinds:
            await self._branches.prepare([it for it in subjects if self._branches.concerns(it)])
        if self._aur not in self._kinds:
            return None
        await self._repositories.prepare([it for it in subjects if self._repositories.concerns(it)])
        await self._hooks.prepare(subjects)
        asked = [it for it in subjects if self._aur.concerns(it)]
        try:
            if asked:
                await self._aur.prepare(asked, memory)
        except QuartersError as error:
            self.problem = str(error)
            return self._aur
        return None

    async def _outcome(self, subject: Subject, kinds: Sequence[Upstream]) -> Outcome:
        """All that is to be had; where several kinds fail, the first problem is told."""
        found = Outcome(subject=subject, tree=subject.tree)
        now = subject
        for kind in kinds:
            if not kind.concerns(subject):
                continue
            try:
                finding = await kind.look(now)
                tree = await self._checked(finding.tree) if finding.tree not in ("", now.tree) else now.tree
            except QuartersError as error:
                found = msgspec.structs.replace(found, problem=found.problem or str(error), lasting=False)
                continue
            now = msgspec.structs.replace(now, tree=tree)
            found = msgspec.structs.replace(
                found,
                tree=tree,
                marks={**found.marks, **finding.marks},
                moved=found.moved or finding.moved,
                problem=found.problem or finding.problem,
                lasting=bool(finding.problem) if not found.problem else found.lasting,
                maintainers=found.maintainers or finding.maintainers,
                author=found.author or finding.author,
                always_reviewed=found.always_reviewed or finding.always_reviewed,
            )
        return found

    async def _checked(self, tree: str) -> str:
        """The folder with a .SRCINFO that says what its recipe evaluates to; what came with it is not believed."""
        said = await text(self._mirror.git, tree, SRCINFO)

        async def archive() -> bytes:
            return await self._mirror.archive(tree, "")

        printed = await self._tools.evaluator.srcinfo(archive)
        truth = self._tools.format.parse_recipe(printed)
        try:
            if said is not None and self._tools.format.parse_recipe(said) == truth:
                return tree
        except RecipeInvalid:
            pass
        return await with_file(self._mirror.git, tree, SRCINFO, encoded(printed))
