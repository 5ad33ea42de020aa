"""Rows of recipes: what every engine promises."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, insert

from quarters.model.errors import NotFound
from quarters.model.recipe import Dependency, Need, NeedKind, Origin, Output, Recipe, SourcedRecipe
from quarters.model.repository import Repository
from quarters.model.source import Source
from quarters.storage import recipes, repositories, sources
from quarters.storage.database import Database
from quarters.storage.schema import entries, packages

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def sourced(pkgbase: str, source: str = "one", version: str = "1-1", problem: str = "") -> SourcedRecipe:
    recipe = Recipe(
        pkgbase=pkgbase,
        version=version,
        arches=("x86_64",),
        outputs=(Output(f"{pkgbase}-Tools", ("any",), "Does 100% of it"),),
        needs=(Need(Dependency("glibc", ">=", "2"), NeedKind.DEPENDS),),
        description="A nöble thing\x00",
    )
    origin = Origin(source=source, path=f"dir/{pkgbase}", revision="r", fingerprint="f", author="A <a@b>")
    return SourcedRecipe(pkgbase=pkgbase, origin=origin, recipe=recipe, problem=problem)


@pytest.fixture
async def filled(database: Database) -> Database:
    """Two sources of one repository with a recipe each, and one of another repository."""
    for name in ("main", "other"):
        await database.write(repositories.add, Repository(name=name), NOW)
    for name, repository in (("one", "main"), ("two", "main"), ("three", "other")):
        source = Source(name=name, kind="tree", location="/x", repository=repository)
        await database.write(sources.add, source)
        await database.write(recipes.put, [sourced("foo", name)])
    await database.write(recipes.put, [sourced("bar")])
    return database


async def names(database: Database, mentioning: str = "") -> list[tuple[str, str]]:
    found = await database.read(recipes.listed, mentioning=mentioning, limit=100)
    return [(known.sourced.pkgbase, known.sourced.origin.source) for known in found]


async def test_a_recipe_comes_back_as_it_was_put(filled: Database) -> None:
    assert await filled.read(recipes.of_source, "one") == [sourced("bar"), sourced("foo")]


async def test_what_is_put_again_replaces_what_was_there(filled: Database) -> None:
    await filled.write(recipes.put, [sourced("foo", version="2-1")])
    assert sourced("foo", version="2-1") in await filled.read(recipes.of_source, "one")
    assert await filled.read(recipes.of_source, "two") == [sourced("foo", "two")]


async def test_what_is_withdrawn_is_gone_from_that_source_alone(filled: Database) -> None:
    await filled.write(recipes.withdraw, "one", ["foo", "unknown"])
    assert await names(filled) == [("bar", "one"), ("foo", "three"), ("foo", "two")]


async def test_a_repository_has_the_recipes_of_its_enabled_sources(filled: Database) -> None:
    found = await filled.read(recipes.for_repository, "main")
    assert found == [sourced("bar"), sourced("foo"), sourced("foo", "two")]
    await filled.write(sources.change, "one", enabled=False)
    assert await filled.read(recipes.for_repository, "main") == [sourced("foo", "two")]


async def test_a_recipe_with_a_problem_is_shown_to_others_without_its_recipe(filled: Database) -> None:
    await filled.write(recipes.put, [sourced("foo", problem="Another folder holds it.")])
    assert [each.recipe for each in await filled.read(recipes.for_repository, "main")][1] is None
    assert (await filled.read(recipes.get, "foo", "one")).sourced.recipe is None
    assert (await filled.read(recipes.of_source, "one"))[1].recipe is not None


async def test_recipes_are_found_by_names_and_description_whatever_the_case(filled: Database) -> None:
    assert await names(filled, "BAR") == [("bar", "one")]
    assert await names(filled, "foo-tools") == [("foo", "one"), ("foo", "three"), ("foo", "two")]
    assert len(await names(filled, "NÖBLE")) == 4
    assert await names(filled, "glibc") == []
    assert await names(filled, "%") == []


async def test_a_list_goes_on_after_its_last_item(filled: Database) -> None:
    (last,) = await filled.read(recipes.listed, after=("bar", "one"), limit=1)
    assert (last.sourced.pkgbase, last.sourced.origin.source) == ("foo", "one")
    (last,) = await filled.read(recipes.listed, after=("foo", "one"), limit=1)
    assert last.sourced.origin.source == "three"
    assert [each.sourced.pkgbase for each in await filled.read(recipes.listed, source="two", limit=9)] == [
        "foo"
    ]


async def test_the_first_enabled_source_tells_about_a_pkgbase(filled: Database) -> None:
    assert (await filled.read(recipes.get, "foo")).sourced.origin.source == "one"
    assert (await filled.read(recipes.get, "foo", "three")).repository == "other"
    await filled.write(sources.change, "one", enabled=False)
    assert (await filled.read(recipes.get, "foo")).sourced.origin.source == "three"
    for pkgbase, source in (("foo", "unknown"), ("unknown", None)):
        with pytest.raises(NotFound):
            await filled.read(recipes.get, pkgbase, source)


async def test_a_recipe_knows_what_is_published_of_it_now(filled: Database) -> None:
    def publish(connection: Connection, version: str, since: int, until: int | None) -> None:
        connection.execute(
            insert(packages).values(
                sha256=version, file_name=version, name="foo", base="foo", version=version, arch="any",
                info={}, index_parts={}, added_at=NOW,
            )
        )  # fmt: skip
        connection.execute(
            insert(entries).values(
                repository="main", arch="x86_64", name="foo", sha256=version, since=since, until=until
            )
        )

    await filled.write(publish, "0.9-1", 1, 2)
    assert (await filled.read(recipes.get, "foo", "one")).published_version == ""
    await filled.write(publish, "1-1", 2, None)
    assert (await filled.read(recipes.get, "foo", "one")).published_version == "1-1"
    assert (await filled.read(recipes.get, "foo", "three")).published_version == ""


async def test_only_problems_that_may_pass_are_looked_at_again(filled: Database) -> None:
    assert await filled.read(recipes.passing, "one") is False
    origin = Origin(source="one", path="p", revision="r", fingerprint="")
    await filled.write(recipes.put, [SourcedRecipe(pkgbase="p", origin=origin, problem="No sandbox.")])
    assert await filled.read(recipes.passing, "one") is True


async def test_removing_a_source_removes_its_recipes(filled: Database) -> None:
    await filled.write(sources.remove, "one")
    assert await names(filled) == [("foo", "three"), ("foo", "two")]
