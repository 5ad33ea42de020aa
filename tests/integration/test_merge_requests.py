"""Changes that wait, as merge requests at a forge: each of the three interfaces, and a tree that is followed through one."""

import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quarters.model.errors import Invalid, NotFound
from quarters.model.forge import Forge, ForgeKind
from quarters.model.review import Candidate, Level, Place, Policy, Review, ReviewState, Size, Verdict
from quarters.model.updates import Updates
from quarters.protocol.forges import NewForge
from quarters.protocol.resources import NewSource
from quarters.sources.comparing import tree_of
from quarters.sources.errors import SourceUnreachable
from quarters.sources.forges.forge import Standing, Wish
from quarters.sources.forges.registry import api
from quarters.sources.merge_requests import MergeRequests
from quarters.sources.reviews import decide, propose
from quarters.sources.settings import SourcesSettings
from quarters.sources.showing import Showing
from quarters.storage import reviews, sources
from quarters.storage.wakeups import Wakeups
from tests.following import Followed, Git, following
from tests.forges import TOKEN, LocalForge, local_forge
from tests.person import Person
from tests.serving import running

WISH = Wish(branch="quarters-review-1", base="main", title="Update hello", text="look", assignee="ada")
KINDS = list(ForgeKind)


@pytest.fixture
async def forge() -> AsyncIterator[LocalForge]:
    async with local_forge() as forge:
        yield forge


@pytest.mark.parametrize("kind", KINDS)
async def test_a_merge_request_is_opened_once_and_followed(forge: LocalForge, kind: ForgeKind) -> None:
    spoken = api(Forge(kind=kind, url=forge.url, project="people/tree"), TOKEN, 10)
    made = await spoken.open(WISH)
    assert (made.number, made.standing) == (1, Standing.OPEN)
    assert made.url.startswith(f"{forge.url}/people/tree/")
    assert (forge.requests[0].title, forge.requests[0].text) == ("Update hello", "look")
    assert (forge.requests[0].base, forge.requests[0].assignee) == ("main", "ada")
    assert await spoken.open(WISH) == made
    forge.requests[0].state, forge.requests[0].by = "merged", "bob"
    merged = await spoken.look(1)
    assert (merged.standing, merged.by) == (Standing.MERGED, "bob")
    second = await spoken.open(WISH)
    await spoken.close(second.number)
    assert (await spoken.look(second.number)).standing is Standing.CLOSED


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_forge_refuses_is_said_in_its_words(forge: LocalForge, kind: ForgeKind) -> None:
    place = Forge(kind=kind, url=forge.url, project="people/tree")
    with pytest.raises(SourceUnreachable, match="answers 401: 401 Unauthorized"):
        await api(place, "wrong", 10).open(WISH)
    with pytest.raises(SourceUnreachable, match="knows nothing at"):
        await api(Forge(kind=kind, url=forge.url, project="people/else"), TOKEN, 10).look(1)
    forge.down = True
    with pytest.raises(SourceUnreachable, match="answers 502"):
        await api(place, TOKEN, 10).look(1)


class Waiting:
    """A tree in which a change of `hello` waits, and what shows it at a forge."""

    def __init__(self, followed: Followed, bare: Path, forge: LocalForge) -> None:
        self.followed = followed
        self.bare = bare
        self.forge = forge
        self.now = datetime.now(UTC)
        self.following = MergeRequests(
            followed.database, Wakeups(), SourcesSettings(), followed.service, lambda: self.now
        )

    async def look(self) -> Review:
        """A round of the loop, some time later; the newest review."""
        self.now += timedelta(hours=1)
        await self.following.round()
        return (await self.followed.database.read(reviews.listed))[0]

    async def propose(self, folder: str) -> Review:
        """Have the upstream of `hello` bring what `folder` has."""
        mirror = self.followed.service.mirror("tree")
        source = await self.followed.service.show("tree")
        candidate = Candidate(
            source="tree",
            path="hello",
            place=Place.UPSTREAM,
            from_revision=source.revision,
            from_fingerprint=await tree_of(mirror, source.revision, "hello"),
            to_revision=source.revision,
            to_fingerprint=await tree_of(mirror, source.revision, folder),
            verdict=Verdict(Size.MAJOR),
            author="Ada <ada@example.org>",
        )
        policy = Policy(Level.MAJOR)
        found = await self.followed.database.write(
            lambda connection: propose(connection, candidate, policy, self.now)
        )
        assert found is not None
        return found

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.bare), *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def branches(self) -> list[str]:
        return self.git("branch", "--format=%(refname:short)").split()


@pytest.fixture
async def waiting(tmp_path: Path, forge: LocalForge) -> AsyncIterator[Waiting]:
    bare = tmp_path / "tree.git"
    git = Git(tmp_path / "clone")
    git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    for name in ("hello", "newer", "newest"):
        git.write(name)
    (git.folder / ".ci").mkdir()
    (git.folder / ".ci" / "config").write_text("CI_HUMAN_REVIEW_ASSIGNEE=ada\n")
    git.commit()
    git("push", "--quiet", str(bare), "main")
    async with following(tmp_path) as followed:
        await followed.add(bare)
        await followed.database.write(
            lambda connection: sources.change(connection, "tree", updates=Updates(push=str(bare)))
        )
        new = NewForge(kind=ForgeKind.GITLAB, url=forge.url, project="people/tree", token=TOKEN)
        await Showing(followed.database, Wakeups()).set("tree", new)
        waiting = Waiting(followed, bare, forge)
        await waiting.propose("newer")
        yield waiting


async def test_what_is_merged_is_approved_and_its_branch_goes(waiting: Waiting) -> None:
    review = await waiting.look()
    (shown,) = waiting.forge.requests
    assert (review.request, review.state, shown.base) == (1, ReviewState.WAITING, "main")
    assert shown.assignee == "ada"
    assert review.url.startswith(waiting.forge.url)
    assert waiting.branches() == ["main", "quarters-review-1"]
    assert waiting.git("rev-parse", "quarters-review-1:hello") == waiting.git("rev-parse", "main:newer")
    assert waiting.git("log", "-1", "--format=%an", "quarters-review-1") == "Ada"
    await waiting.look()
    assert len(waiting.forge.requests) == 1
    waiting.git("branch", "--force", "main", "quarters-review-1")
    shown.state, shown.by = "merged", "bob"
    review = await waiting.look()
    assert (review.state, review.taken, review.request) == (ReviewState.APPROVED, True, None)
    assert review.decided_by.endswith(":bob")
    assert waiting.branches() == ["main"]


async def test_what_is_closed_is_rejected(waiting: Waiting) -> None:
    await waiting.look()
    waiting.forge.requests[0].state = "closed"
    review = await waiting.look()
    assert (review.state, review.note) == (ReviewState.REJECTED, review.url)
    assert waiting.branches() == ["main"]


async def test_what_is_decided_here_or_overtaken_is_closed_there(waiting: Waiting) -> None:
    await waiting.look()
    await waiting.propose("newest")
    second = await waiting.look()
    assert [it.state for it in waiting.forge.requests] == ["closed", "open"]
    assert waiting.branches() == ["main", "quarters-review-2"]
    await waiting.followed.database.write(
        lambda it: decide(it, second.id, approve=False, who="ada", note="", now=waiting.now)
    )
    await waiting.look()
    assert [it.state for it in waiting.forge.requests] == ["closed", "closed"]
    assert waiting.branches() == ["main"]


async def test_a_forge_that_is_down_is_told_and_asked_again(waiting: Waiting) -> None:
    waiting.forge.down = True
    review = await waiting.look()
    assert "answers 502" in review.problem
    waiting.forge.down = False
    review = await waiting.look()
    assert (review.problem, review.request) == ("", 1)


async def test_a_forge_is_set_shown_and_left(tmp_path: Path, forge: LocalForge) -> None:
    async with running(tmp_path) as server:
        await server.admin.sources.create(NewSource(name="tree", location="/tree", repository="own"))
        await server.admin.sources.create(
            NewSource(name="url", location="https://example.org/P", repository="own", kind="url")
        )
        person = Person(server, "source")
        assert "shown at no forge" in await person.run("forge", "tree", code=1)
        token = tmp_path / "token"
        token.write_text(f"{TOKEN}\n")
        how = ("--kind", "gitea", "--project", "people/tree", "--token-file", str(token))
        assert "Give the address" in await person.run("forge", "tree", *how, code=1)
        assert "only a tree" in await person.run("forge", "url", *how, "--url", forge.url, code=1)
        assert "with --kind" in await person.run("forge", "tree", "--project", "a/b", code=1)
        said = await person.json("forge", "tree", *how, "--url", f"{forge.url}/")
        assert said == {"kind": "gitea", "url": forge.url, "project": "people/tree", "assignee": ""}
        assert TOKEN not in await person.run("forge", "tree")
        await person.run("forge", "tree", "--off")
        with pytest.raises(NotFound):
            await server.admin.sources.forge("tree")
        with pytest.raises(Invalid):
            await server.admin.sources.set_forge(
                "tree", NewForge(kind=ForgeKind.GITHUB, project="nothing", token=TOKEN)
            )
