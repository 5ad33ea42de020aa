"""Packages whose recipes leave their source, on both databases."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection

from quarters.formats.pacman import Pacman
from quarters.model.build import State
from quarters.model.recipe import Output, SourcedRecipe
from quarters.model.source import Source
from quarters.protocol.resources import BuildFilter, RepositoryChange
from quarters.publishing.withdrawals import Withdrawals
from quarters.sources import books
from quarters.sources.arbitration import settle
from quarters.sources.books import Reading
from quarters.sources.source import Fetched
from quarters.storage import recipes, sources, withdrawals
from quarters.storage.database import Database
from tests.contracts.farm import Farm
from tests.contracts.farm import recipe as sourced
from tests.press import Press, package


class Followed:
    """A source of the repository `own` whose recipes are published as soon as they are there."""

    def __init__(self, press: Press) -> None:
        self.press = press
        self.withdrawals = Withdrawals(press.database, press.wakeups, press.swap, {"pacman": Pacman()})

    async def has(self, *found: SourcedRecipe, source: str = "tree") -> None:
        """A sync finds these recipes, and the loop has its turn."""
        database, now = self.press.database, self.press.clock()
        before = {each.pkgbase: each for each in await database.read(recipes.of_source, source)}
        synced = await database.read(sources.get, source)
        verdict = settle(before, found)
        await database.write(books.succeeded, synced, Reading(Fetched(f"r{len(found)}"), verdict), now, now)
        await self.withdrawals.carry_out("own")

    async def built(self, *found: SourcedRecipe) -> None:
        """All that these recipes make is built and published."""
        for each in found:
            assert each.recipe is not None
            names = each.recipe.made_for("x86_64")
            made = [package(name, each.recipe.version, base=each.pkgbase) for name in names]
            await self.press.published(each.recipe, *made)
        await self.withdrawals.carry_out("own")


def split(pkgbase: str, *names: str, version: str = "1-1") -> SourcedRecipe:
    one = sourced(pkgbase, version=version, fingerprint=f"{names} {version}")
    assert one.recipe is not None
    outputs = tuple(Output(name, ("x86_64",)) for name in names)
    return msgspec.structs.replace(one, recipe=msgspec.structs.replace(one.recipe, outputs=outputs))


@pytest.fixture
async def followed(database: Database, tmp_path: Path) -> Followed:
    press = Press(database, tmp_path / "data")
    await press.repository()
    for name in ("tree", "other"):
        await database.write(sources.add, Source(name=name, kind="tree", location="/x", repository="own"))
    return Followed(press)


async def test_a_removed_folders_packages_leave_in_one_snapshot_that_says_why(followed: Followed) -> None:
    kept, gone = sourced("kept"), split("gone", "gone", "gone-docs")
    await followed.has(kept, gone)
    await followed.built(kept, gone)
    await followed.has(kept)
    assert await followed.press.listed() == {"kept": "1-1"}
    latest = (await followed.press.history.list("own", 1, None)).items[0]
    assert latest.actor == "source:tree"
    assert latest.note == "withdrawal of gone, gone-docs: no recipe makes them any more"
    assert await followed.press.database.read(withdrawals.of, "own") == []


async def test_what_a_recipe_of_any_source_makes_stays(followed: Followed) -> None:
    gone = split("gone", "gone", "gone-docs")
    await followed.has(gone)
    await followed.built(gone)
    taken_over = msgspec.structs.replace(
        split("docs", "gone-docs"), origin=msgspec.structs.replace(gone.origin, source="other", path="docs")
    )
    await followed.has(taken_over, source="other")
    await followed.has()
    assert await followed.press.listed() == {"gone-docs": "1-1"}


async def test_a_recipe_that_comes_back_within_the_grace_period_loses_nothing(followed: Followed) -> None:
    await followed.press.repositories.change("own", RepositoryChange(withdrawal_grace=2))
    one = sourced("one")
    await followed.has(one)
    await followed.built(one)
    await followed.has()
    assert await followed.press.listed() == {"one": "1-1"}
    await followed.has(one)
    followed.press.clock.at += timedelta(hours=3)
    await followed.has()
    assert await followed.press.listed() == {"one": "1-1"}
    followed.press.clock.at += timedelta(hours=3)
    await followed.withdrawals.carry_out("own")
    assert await followed.press.listed() == {}


async def test_a_dropped_split_package_leaves_with_the_version_that_lacks_it(followed: Followed) -> None:
    before, after = split("foo", "foo", "foo-docs"), split("foo", "foo", version="2-1")
    await followed.has(before)
    await followed.built(before)
    await followed.has(after)
    assert await followed.press.listed() == {"foo": "1-1", "foo-docs": "1-1"}
    await followed.built(after)
    assert await followed.press.listed() == {"foo": "2-1"}


async def test_what_people_uploaded_stays(followed: Followed) -> None:
    one = sourced("one")
    await followed.has(one)
    await followed.press.upload(package("one", "1-1"))
    await followed.has()
    assert await followed.press.listed() == {"one": "1-1"}


async def test_what_is_queued_of_a_recipe_that_left_is_cancelled_and_says_why(
    database: Database, tmp_path: Path
) -> None:
    farm = Farm(database, tmp_path)
    one, two, gone, needy = sourced("one"), sourced("two"), sourced("gone"), sourced("needy", "gone")
    await farm.begin(one, two, gone, needy)
    await farm.ask("one", "needy", "two")

    def synced(connection: Connection) -> None:
        source = sources.get(connection, "tree")
        known = {each.pkgbase: each for each in recipes.of_source(connection, "tree")}
        reading = Reading(Fetched("r2"), settle(known, [one, two, needy]))
        books.succeeded(connection, source, reading, farm.clock(), farm.clock())

    await database.write(synced)
    states = await farm.states()
    assert (states["gone"], states["needy"]) == (State.CANCELLED, State.BLOCKED)
    assert states["one"] is states["two"] is State.READY
    (cancelled,) = (await farm.builds.list(BuildFilter(pkgbase="gone"), 10, None)).items
    assert cancelled.message == "The recipe left the source 'tree'."
    await farm.have(gone)
    await farm.requests.plan_sources()
    assert (await farm.states())["gone"] is State.READY


async def test_packages_that_are_being_published_are_published_though_their_recipe_left(
    database: Database, tmp_path: Path
) -> None:
    farm = Farm(database, tmp_path)
    await farm.begin(sourced("gone"))
    await farm.ask("gone")
    await farm.build(await farm.claimed())

    def synced(connection: Connection) -> None:
        source = sources.get(connection, "tree")
        known = {each.pkgbase: each for each in recipes.of_source(connection, "tree")}
        reading = Reading(Fetched("r2"), settle(known, []))
        books.succeeded(connection, source, reading, farm.clock(), farm.clock())

    await database.write(synced)
    assert (await farm.states())["gone"] is State.PUBLISHING
