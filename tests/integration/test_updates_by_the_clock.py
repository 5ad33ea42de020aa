"""The loop that looks at upstreams by the clock, and what people ask of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from quarters.formats.pacman import Pacman
from quarters.model.errors import Conflict, Invalid, NotFound
from quarters.model.review import Place
from quarters.model.updates import Trigger, Updates
from quarters.protocol.resources import SourceChange
from quarters.protocol.reviews import Decision
from quarters.protocol.updates import UpdatesView, UpdateWish
from quarters.sources.desk import ReviewDesk
from quarters.sources.updates.updater import Updater
from quarters.storage import reviews, updates
from quarters.storage.wakeups import Topic
from tests.aur import LocalAur, local_aur
from tests.updating import Tree, updating


class Looking:
    """A tree and the loop."""

    def __init__(self, tree: Tree, aur: LocalAur) -> None:
        self.tree = tree
        self.aur = aur
        followed = tree.followed
        self.updater = Updater(
            followed.database,
            followed.wakeups,
            tree.settings,
            {"pacman": Pacman()},
            followed.service,
            lambda: tree.clock,
        )

    async def until(self, condition: Callable[[UpdatesView], bool]) -> UpdatesView:
        """Wait for the loop."""
        wakeups = self.tree.followed.wakeups
        async with asyncio.timeout(60):
            while True:
                mark = wakeups.mark(Topic.EVENTS)
                if condition(view := await self.updater.show("tree")):
                    return view
                await wakeups.wait(Topic.EVENTS, mark, 1)

    def later(self, minutes: float) -> None:
        """Let time go by, and the loop notice."""
        self.tree.later(minutes=minutes)
        self.tree.followed.wakeups.notify(Topic.SOURCES)


@pytest.fixture
async def looking(tmp_path: Path) -> AsyncIterator[Looking]:
    async with local_aur(tmp_path / "aur") as aur, updating(tmp_path, aur=aur.url) as tree:
        aur.push("one")
        tree.recipe("one", CI_PKGBUILD_SOURCE="aur")
        tree.recipe("slow", CI_ON_TRIGGER="daily", CI_PKGBUILD_SOURCE="custom")
        tree.push()
        looking = Looking(tree, aur)
        task = asyncio.create_task(looking.updater.run())
        yield looking
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_looks_at_once_and_then_every_half_hour(looking: Looking) -> None:
    tree = looking.tree
    await tree.follow(follow=True, push=str(tree.bare), delay=0.0)
    first = await looking.until(lambda it: it.ended_at is not None)
    assert first.problem == ""
    assert first.next_at is not None
    assert timedelta() < first.next_at - tree.clock <= timedelta(minutes=30)
    looking.aur.push("one", "2.0-1")
    looking.later(31)
    second = await looking.until(lambda it: it.ended_at != first.ended_at)
    assert second.committed == ("one",)
    assert tree.there("rev-parse", "main").strip() == second.commit


async def test_a_tree_that_cannot_be_pushed_to_is_told(looking: Looking, tmp_path: Path) -> None:
    await looking.tree.follow(follow=True, push=str(tmp_path / "nowhere"))
    view = await looking.until(lambda it: bool(it.problem))
    assert "nowhere" in view.problem
    assert view.ended_at is not None


async def test_without_a_wish_to_follow_nothing_is_looked_at_until_somebody_asks(looking: Looking) -> None:
    await looking.tree.follow()
    looking.aur.push("one", "2.0-1")
    dry = await looking.updater.ask("tree", UpdateWish(dry_run=True))
    assert dry.committed == ("one",)
    view = await looking.updater.show("tree")
    assert (view.ended_at, view.next_at) == (None, None)
    assert (await looking.updater.ask("tree", UpdateWish(packages=("one",)))).pending
    assert (await looking.until(lambda it: bool(it.commit))).committed == ("one",)


async def test_a_trigger_fires_by_hand_and_by_the_clock_but_not_for_what_was_before_it_was_set(
    looking: Looking,
) -> None:
    tree = looking.tree
    await tree.follow(triggers=(Trigger("daily", "@daily"),))
    report = await looking.updater.ask("tree", UpdateWish(trigger="daily", dry_run=True))
    assert report.builds == {"slow": "trigger daily"}
    assert await tree.followed.database.read(updates.wanting) == []
    await looking.updater.ask("tree", UpdateWish(trigger="daily"))
    wanted = await tree.followed.database.read(updates.wanted, "tree")
    assert [it.path for it in wanted] == ["slow"]
    await tree.followed.database.write(updates.built, "tree", wanted)
    before = (await looking.updater.show("tree")).triggers["daily"]
    looking.later(24 * 60)
    await looking.until(lambda it: it.triggers["daily"] > before)
    assert await tree.followed.database.read(updates.wanting) == ["tree"]
    with pytest.raises(NotFound, match="has the trigger 'weekly'"):
        await looking.updater.ask("tree", UpdateWish(trigger="weekly"))


async def test_what_a_person_approves_is_committed_at_once(looking: Looking) -> None:
    tree, database = looking.tree, looking.tree.followed.database
    await tree.follow(follow=True, push=str(tree.bare), delay=0.0)
    first = await looking.until(lambda it: it.ended_at is not None)
    (looking.aur.folder / "one" / "one.install").write_text("post_install() { :; }\n")
    looking.aur.push("one", "2.0-1")
    looking.later(31)
    second = await looking.until(lambda it: it.ended_at != first.ended_at)
    assert second.commit == ""
    (review,) = await database.read(reviews.unsettled, "tree", Place.UPSTREAM)
    desk = ReviewDesk(database, tree.followed.wakeups, tree.followed.service, lambda: tree.clock)
    await desk.decide(review.id, Decision(approve=True), "ada")
    assert (await looking.until(lambda it: bool(it.commit))).committed == ("one",)
    assert await database.read(reviews.unsettled, "tree", Place.UPSTREAM) == []


async def test_what_makes_no_sense_is_refused_in_a_sentence(looking: Looking) -> None:
    tree = looking.tree
    await tree.follow()
    with pytest.raises(NotFound, match="has no package 'two'"):
        await looking.updater.ask("tree", UpdateWish(packages=("two",)))
    change = tree.followed.service.change
    for how, words in (
        (Updates(schedule="whenever"), "is no schedule"),
        (Updates(triggers=(Trigger("a b", "@daily"),)), "cannot be the name of a trigger"),
        (Updates(push="-x"), "not the location"),
        (Updates(author="Nobody"), "Name <mail>"),
        (Updates(parallel=0), "side by side"),
        (Updates(delay=-1.0), "seconds"),
        (Updates(proxy="socks5://x"), "begins with http"),
    ):
        with pytest.raises(Invalid, match=words):
            await change("tree", SourceChange(updates=how))
    await change("tree", SourceChange(enabled=False))
    with pytest.raises(Conflict, match="is disabled"):
        await looking.updater.ask("tree", UpdateWish())
