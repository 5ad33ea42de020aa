"""Pushes to a followed tree: webhooks of every forge, and what commit messages ask for."""

import hmac
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import msgspec
import pytest

from quarters.model.build import State
from quarters.model.commit import Commit
from quarters.protocol.resources import NewSource, SourceChange
from quarters.scheduler.deploys import Deploys
from quarters.storage import builds, events, sources
from quarters.storage.database import Database
from tests.following import Followed, Git, following
from tests.serving import Running


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path / "recipes")


async def push(
    server: Running, headers: dict[str, str], body: bytes, name: str = "tree"
) -> tuple[int, object]:
    """What the hook answers a forge."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/api/v1/hooks/{name}", data=body, headers=headers) as answer,
    ):
        return answer.status, (await answer.json()).get("sync")


async def hooked(server: Running, git: Git) -> str:
    """A source `tree` that follows the branch `main`; returns the secret of its hook."""
    git.write("hello")
    git.commit()
    await server.admin.sources.create(
        NewSource(name="tree", location=str(git.folder), repository="own", branch="main")
    )
    await server.services.database.write(
        lambda connection: sources.change(connection, "tree", sync_wanted_at=None, synced_at=server.clock())
    )
    return (await server.admin.sources.hook("tree")).secret


async def wanted(server: Running) -> bool:
    """Whether a sync is to come."""
    return (await server.admin.sources.show("tree")).pending


BODY = msgspec.json.encode({"ref": "refs/heads/main", "commits": []})


def signed(secret: str, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), body, "sha256").hexdigest()


@pytest.mark.parametrize("forge", ["github", "gitlab", "gitea", "forgejo"])
async def test_every_forge_can_tell_of_a_push(server: Running, git: Git, forge: str) -> None:
    secret = await hooked(server, git)
    headers = {
        "github": {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={signed(secret)}"},
        "gitlab": {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": secret},
        "gitea": {"X-Gitea-Event": "push", "X-Gitea-Signature": signed(secret)},
        "forgejo": {"X-Forgejo-Event": "push", "X-Forgejo-Signature": signed(secret)},
    }[forge]
    assert not await wanted(server)
    assert await push(server, headers, BODY) == (202, True)
    assert await wanted(server)


async def test_a_push_that_nobody_proves_changes_nothing(server: Running, git: Git) -> None:
    secret = await hooked(server, git)
    wrong = [
        {},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": f"sha256={signed('')}"},
        {"X-Gitlab-Token": ""},
        {"X-Gitlab-Token": secret[:-1]},
        {"X-Hub-Signature-256": f"sha256={signed(secret, b'another body')}"},
    ]
    for headers in wrong:
        assert await push(server, headers, BODY) == (401, None)
    assert await push(server, {"X-Gitlab-Token": secret}, BODY, "nowhere") == (401, None)
    assert not await wanted(server)


async def test_a_renewed_secret_ends_the_old_one(server: Running, git: Git) -> None:
    old = await hooked(server, git)
    assert (await server.admin.sources.hook("tree")).secret == old
    new = (await server.admin.sources.hook("tree", renew=True)).secret
    assert await push(server, {"X-Gitlab-Token": old}, BODY) == (401, None)
    assert await push(server, {"X-Gitlab-Token": new}, BODY) == (202, True)


async def test_pings_and_pushes_to_other_branches_are_no_reason_to_look(server: Running, git: Git) -> None:
    secret = await hooked(server, git)
    other = msgspec.json.encode({"ref": "refs/heads/next"})
    assert await push(server, {"X-Gitlab-Token": secret}, other) == (202, False)
    assert await push(server, {"X-Gitlab-Token": secret, "X-GitHub-Event": "ping"}, b"{}") == (202, False)
    await server.admin.sources.change("tree", SourceChange(enabled=False))
    assert await push(server, {"X-Gitlab-Token": secret}, BODY) == (202, False)


async def test_the_secret_is_shown_to_administrators_alone(server: Running, git: Git) -> None:
    secret = await hooked(server, git)
    for listing in (await server.admin.sources.list(), await server.admin.sources.show("tree")):
        assert secret not in msgspec.json.encode(listing).decode()


class Farm:
    """A followed tree, and what people's commits led to."""

    def __init__(self, server: Running, git: Git) -> None:
        self.server = server
        self.git = git
        self.deploys = Deploys(
            server.services.database, server.services.wakeups, server.services.requests, server.clock
        )

    @property
    def database(self) -> Database:
        return self.server.services.database

    async def said(self, message: str) -> str:
        """A commit that changes nothing but says something."""
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD")

    async def synced(self) -> None:
        """A sync, and the loop's turn."""
        sync = self.server.services.sources
        await sync._sync(await sync.show("tree"))
        await self.deploys.carry_out()

    async def commits(self) -> Sequence[Commit]:
        return (await self.server.admin.sources.commits("tree")).items

    async def builds(self) -> list[tuple[str, str]]:
        """Pkgbases and requesters of all builds that there are."""
        found = (await self.server.admin.builds.list()).items
        return sorted((it.pkgbase, it.requester.partition("@")[0]) for it in found)


@pytest.fixture
async def farm(server: Running, git: Git) -> Farm:
    """Two recipes, `one` and `two`, that were synced; nothing is built by itself."""
    git.write("one")
    git.write("two")
    git("add", "--all")
    git("commit", "--quiet", "--message=Begin [deploy one]")
    await server.admin.sources.create(
        NewSource(name="tree", location=str(git.folder), repository="own", automatic=False)
    )
    farm = Farm(server, git)
    await farm.synced()
    return farm


async def test_what_was_committed_before_anybody_listened_asks_for_nothing(farm: Farm) -> None:
    assert await farm.builds() == []
    assert [it.subject for it in await farm.commits()] == ["Begin [deploy one]"]


async def test_a_commit_message_has_packages_built(farm: Farm) -> None:
    revision = await farm.said("Again, please\n\n[deploy two]")
    await farm.synced()
    assert await farm.builds() == [("two", "commit:tree")]
    newest = (await farm.commits())[0]
    assert (newest.revision, newest.asks, newest.problem) == (revision, ("two",), "")
    assert newest.request is not None


async def test_a_commit_message_can_ask_for_everything(farm: Farm) -> None:
    await farm.said("All of it [deploy all]")
    await farm.synced()
    assert [pkgbase for pkgbase, _ in await farm.builds()] == ["one", "two"]


async def test_a_name_that_does_not_exist_is_told_and_holds_nothing_up(farm: Farm) -> None:
    await farm.said("[deploy nothing]")
    await farm.said("[deploy one] [deploy neither]")
    await farm.said("[deploy two]")
    await farm.synced()
    assert [pkgbase for pkgbase, _ in await farm.builds()] == ["one", "two"]
    assert [it.problem for it in (await farm.commits())[:3]] == [
        "",
        "The source tree has no package 'neither'.",
        "The source tree has no package 'nothing'.",
    ]
    told = await farm.database.read(events.after, 0)
    assert [it.subject for it in told if it.kind == "commit.refused"] == ["tree", "tree"]


async def test_a_forced_push_neither_repeats_nor_skips_a_wish(farm: Farm) -> None:
    await farm.said("First [deploy one]")
    await farm.synced()
    (build,) = (await farm.server.admin.builds.list()).items
    await farm.database.write(lambda it: builds.cancel(it, build.id, farm.server.clock(), "Enough."))
    farm.git("commit", "--quiet", "--amend", "--no-edit", "--allow-empty")
    farm.git("reset", "--quiet", "--hard", "HEAD")
    await farm.said("Second [deploy two]")
    farm.git("commit", "--quiet", "--amend", "--no-edit", "--allow-empty", "--reset-author")
    await farm.synced()
    await farm.synced()
    found = (await farm.server.admin.builds.list()).items
    assert sorted((it.pkgbase, it.state) for it in found) == [("one", State.CANCELLED), ("two", State.READY)]


async def test_a_crash_between_the_sync_and_the_wish_loses_nothing(farm: Farm) -> None:
    await farm.said("[deploy one]")
    sync = farm.server.services.sources
    await sync._sync(await sync.show("tree"))
    restarted = Farm(farm.server, farm.git)
    await restarted.deploys.carry_out()
    await restarted.deploys.carry_out()
    assert await farm.builds() == [("one", "commit:tree")]


async def test_a_branch_that_is_followed_from_now_on_asks_for_nothing_old(farm: Farm) -> None:
    farm.git("switch", "--quiet", "--create", "next")
    await farm.said("[deploy one]")
    await farm.server.admin.sources.change("tree", SourceChange(branch="next"))
    await farm.synced()
    assert await farm.builds() == []


async def test_messages_with_odd_bytes_are_read(farm: Farm) -> None:
    await farm.said("\x01\x02 odd ]] [deploy  one ] [deploy \x1b[31mred]")
    await farm.synced()
    assert [pkgbase for pkgbase, _ in await farm.builds()] == ["one"]


async def test_a_followed_tree_of_another_kind_has_no_wishes(tmp_path: Path, git: Git) -> None:
    git.write(".", pkgbase="hello")
    git.commit()
    async with following(tmp_path) as followed:
        assert isinstance(followed, Followed)
        await followed.add(git.folder, kind="git")
        git("commit", "--quiet", "--allow-empty", "--message=[deploy hello]")
        await followed.sync()
        assert (await followed.service.commits("tree", 10, None)).items == ()
