"""Changes that wait, shown as merge requests at the forge of their tree, and followed until merged or closed."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from quarters.model.errors import NotFound, QuartersError
from quarters.model.review import Place, Review, ReviewState
from quarters.model.source import Source
from quarters.sources import ci_config
from quarters.sources.errors import SourceUnreachable
from quarters.sources.forges.forge import ForgeApi, Standing, Wish
from quarters.sources.forges.registry import api
from quarters.sources.git import Git
from quarters.sources.recording import Change, written
from quarters.sources.reviews import decide, taken
from quarters.sources.settings import SourcesSettings
from quarters.sources.sync import SourceSync
from quarters.sources.updates.pushing import Branch
from quarters.sources.updates.terms import PATH as TERMS
from quarters.storage import forges, reviews
from quarters.storage.database import Database
from quarters.storage.forges import Account
from quarters.storage.wakeups import Topic, Wakeups

_LOOK = 30.0
"""Seconds between two looks at the rows, should a wake-up be missed."""
_SHOWN = 50
"""Risks that a merge request lists."""


class MergeRequests:
    """Each waiting change has a branch `quarters-review-N` and a merge request; both go once it is decided."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        settings: SourcesSettings,
        following: SourceSync,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._settings = settings
        self._following = following
        self._now = now
        self._looked_at: dict[str, datetime] = {}

    async def run(self) -> None:
        """Show what waits, and take over what became of it; without end."""
        while True:
            mark = self._wakeups.mark(Topic.SOURCES)
            await self.round()
            await self._wakeups.wait(Topic.SOURCES, mark, _LOOK)

    async def round(self) -> None:
        """One round: what is new is shown at once; forges are asked as often as sources are looked at."""
        for name, account in (await self._database.read(forges.listed)).items():
            try:
                source = await self._following.show(name)
            except NotFound:
                continue  # it was removed just now
            if source.enabled and source.updates.push:
                await self._of_source(source, account)

    async def _of_source(self, source: Source, account: Account) -> None:
        forge = api(account.forge, account.token, self._settings.fetch_timeout)
        now = self._now()
        wait = timedelta(seconds=self._settings.poll_interval)
        due = now >= self._looked_at.get(source.name, datetime.min.replace(tzinfo=now.tzinfo)) + wait
        if due:
            self._looked_at[source.name] = now
        for review in await self._database.read(reviews.unsettled, source.name, Place.UPSTREAM):
            if review.state is ReviewState.WAITING and review.request is None and (due or not review.problem):
                await self._carefully(review, self._show(source, review, forge, account))
        for review in await self._database.read(reviews.requested, source.name):
            over = review.state is not ReviewState.WAITING
            if due or (over and not review.problem):
                await self._carefully(review, self._follow(source, review, forge, account))

    async def _carefully(self, review: Review, work: Awaitable[None]) -> None:
        """Do it; a forge that cannot be reached keeps nobody from anything, and is asked again later."""
        problem = ""
        try:
            await work
        except QuartersError as error:
            problem = str(error)
            log = structlog.get_logger(__name__)
            log.warning("a merge request cannot be followed", review=review.id, error=problem)
        # What is said about one that is decided is said by whoever took it.
        if problem != review.problem and (problem or review.state is ReviewState.WAITING):
            await self._database.write(lambda it: reviews.change(it, review.id, problem=problem))

    async def _show(self, source: Source, review: Review, forge: ForgeApi, account: Account) -> None:
        mirror = self._following.mirror(source.name)
        git = mirror.git
        branch = Branch(git, source.updates.push, source.branch)
        tip = await branch.tip()
        name = _branch(review)
        change = Change(
            folder=review.path,
            content=review.to_fingerprint,
            author=review.author,
            message=f"Update {review.path}\n",
            at=int(review.created_at.timestamp()),
        )
        ref = f"refs/quarters/reviews/{review.id}"
        await git.run("update-ref", ref, tip)
        await git.run("fast-import", "--quiet", "--force", stdin=b"".join(written(ref, [change], tip)))
        await git.run("push", "--quiet", "--force", "--", source.updates.push, f"{ref}:refs/heads/{name}")
        title = f"Update {review.path}"
        tree = ci_config.settings((await mirror.file(tip, TERMS)).decode(errors="replace"))
        wish = Wish(
            branch=name,
            base=await branch.name(),
            title=title,
            text=_text(review),
            assignee=account.forge.assignee or tree.get("CI_HUMAN_REVIEW_ASSIGNEE", ""),
        )
        made = await forge.open(wish)
        await self._database.write(
            lambda it: reviews.change(it, review.id, request=made.number, url=made.url)
        )
        self._wakeups.notify(Topic.EVENTS)

    async def _follow(self, source: Source, review: Review, forge: ForgeApi, account: Account) -> None:
        assert review.request is not None  # noqa: S101
        found = await forge.look(review.request)
        if review.state is ReviewState.WAITING:
            if found.standing is Standing.OPEN:
                return
            who = f"{account.forge.kind}:{found.by}" if found.by else str(account.forge.kind)
            merged = found.standing is Standing.MERGED
            await self._database.write(self._decided, review, who, merged=merged)
            self._wakeups.notify(Topic.SOURCES, Topic.EVENTS)
        elif found.standing is Standing.OPEN:
            await forge.close(review.request)
        await self._prune(self._following.mirror(source.name).git, source, review)
        await self._database.write(lambda it: reviews.change(it, review.id, request=None))

    def _decided(self, connection: Connection, review: Review, who: str, *, merged: bool) -> None:
        if reviews.get(connection, review.id).state is not ReviewState.WAITING:
            return
        decide(connection, review.id, approve=merged, who=who, note=review.url, now=self._now())
        if merged:
            # The tree has it already: whoever merged it put it there.
            taken(connection, review.id)

    async def _prune(self, git: Git, source: Source, review: Review) -> None:
        name = f"refs/heads/{_branch(review)}"
        if await git.run("ls-remote", "--", source.updates.push, name):
            await git.run("push", "--quiet", "--", source.updates.push, f":{name}")
        try:
            await git.run("update-ref", "-d", f"refs/quarters/reviews/{review.id}")
        except SourceUnreachable:
            return  # a mirror that was made anew has no such thing


def _branch(review: Review) -> str:
    return f"quarters-review-{review.id}"


def _text(review: Review) -> str:
    """What the merge request says; a stranger's words stand in it as code alone."""
    told = [
        f"- `{_plain(f'{risk.file}:{risk.line}' if risk.line else risk.file)}` {risk.kind.replace('_', ' ')}: "
        f"`{_plain(risk.message)}`"
        for risk in review.verdict.risks[:_SHOWN]
    ]
    lines = [review.why, "", *(["To be looked at:", "", *told, ""] if told else [])]
    by = f"The change is by `{_plain(review.author)}`." if review.author else ""
    return "\n".join(
        [*lines, *([by, ""] if by else []), f"Merging approves review {review.id}, closing rejects it."]
    )


def _plain(text: str) -> str:
    return "".join(it for it in text if it.isprintable()).replace("`", "'")
