"""Rows of sources: what every engine promises."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from quarters.model.errors import Conflict, NotFound
from quarters.model.recipe import Origin, SourcedRecipe
from quarters.model.repository import Repository
from quarters.model.source import Source
from quarters.storage import recipes, repositories, sources
from quarters.storage.database import Database

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


async def add(database: Database, *names: str, automatic: bool = True) -> None:
    await database.write(repositories.add, Repository(name="main"), NOW)
    for name in names:
        source = Source(name=name, kind="tree", location="/x", repository="main", automatic=automatic)
        await database.write(sources.add, source)


async def test_a_source_comes_back_as_it_was_added(database: Database) -> None:
    await add(database, "one")
    source = await database.read(sources.get, "one")
    assert source == Source(name="one", kind="tree", location="/x", repository="main", pending=True)


async def test_a_name_is_given_once_and_unknown_ones_are_said_to_be(database: Database) -> None:
    await add(database, "one")
    with pytest.raises(Conflict, match="already a source 'one'"):
        await database.write(sources.add, Source(name="one", kind="tree", location="/y", repository="main"))
    for query in (sources.get, sources.remove, sources.change, sources.generation):
        with pytest.raises(NotFound, match="no source 'two'"):
            await database.write(_told_of_an_unknown_one, query)


def _told_of_an_unknown_one(connection: Connection, query: Callable[..., object]) -> None:
    query(connection, "two", **({"problem": "x"} if query is sources.change else {}))


async def test_sources_are_listed_by_name_from_a_name_on(database: Database) -> None:
    await add(database, "b", "a", "c")
    assert [each.name for each in await database.read(sources.listed)] == ["a", "b", "c"]
    assert [each.name for each in await database.read(sources.listed, after="a", limit=1)] == ["b"]


async def test_a_source_counts_its_recipes_and_the_unreadable_ones(database: Database) -> None:
    await add(database, "one", "two")
    origin = Origin(source="one", path="p", revision="r", fingerprint="f")
    rows = [SourcedRecipe(pkgbase=name, origin=origin, problem="No.") for name in ("x", "y")]
    await database.write(recipes.put, rows)
    counts = {each.name: (each.recipes, each.unreadable) for each in await database.read(sources.listed)}
    assert counts == {"one": (2, 2), "two": (0, 0)}


async def test_a_sync_answers_the_wishes_before_it_and_none_after(database: Database) -> None:
    await add(database, "one")
    await database.write(sources.change, "one", sync_wanted_at=NOW)
    await database.write(sources.no_longer_wanted, "one", NOW - timedelta(microseconds=1))
    (followed,) = await database.read(sources.followed)
    assert followed.wanted_at == NOW
    await database.write(sources.no_longer_wanted, "one", NOW)
    (followed,) = await database.read(sources.followed)
    assert followed.wanted_at is None


async def test_disabled_sources_are_neither_followed_nor_planned(database: Database) -> None:
    await add(database, "one")
    await database.write(sources.advance, "one")
    await database.write(sources.change, "one", enabled=False)
    assert await database.read(sources.followed) == []
    assert await database.read(sources.unplanned) == []


async def test_a_source_is_unplanned_until_its_newest_generation_was_planned(database: Database) -> None:
    await add(database, "one")
    assert await database.read(sources.unplanned) == []
    await database.write(sources.advance, "one")
    (seen,) = await database.read(sources.unplanned)
    await database.write(sources.advance, "one")
    await database.write(sources.planned, "one", seen.number)
    assert [each.number for each in await database.read(sources.unplanned)] == [seen.number + 1]
    await database.write(sources.planned, "one", seen.number + 1)
    await database.write(sources.planned, "one", seen.number)
    assert await database.read(sources.unplanned) == []


async def test_a_source_that_is_not_automatic_is_never_unplanned(database: Database) -> None:
    await add(database, "one", automatic=False)
    await database.write(sources.advance, "one")
    assert await database.read(sources.unplanned) == []
