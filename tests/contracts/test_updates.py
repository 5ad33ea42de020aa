"""Rows of updates: what every engine promises."""

from datetime import UTC, datetime

import msgspec

from quarters.model.build import Cause
from quarters.model.repository import Repository
from quarters.model.source import Source
from quarters.model.updates import Trigger, Updates, UpdateState
from quarters.storage import repositories, sources, updates
from quarters.storage.database import Database

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


async def add(database: Database, how: Updates = Updates()) -> None:
    await database.write(repositories.add, Repository(name="main"), NOW)
    source = Source(name="tree", kind="tree", location="/x", repository="main", updates=how)
    await database.write(sources.add, source)


async def test_how_a_source_follows_upstreams_comes_back_as_it_was_set(database: Database) -> None:
    how = Updates(follow=True, push="/x", triggers=(Trigger("daily", "@daily"),), overwrite=True, delay=0.5)
    await add(database, how)
    assert (await database.read(sources.get, "tree")).updates == how


async def test_the_state_of_a_recipe_comes_back_as_it_was_put(database: Database) -> None:
    await add(database)
    state = UpdateState(
        path="a", upstream="aur", marks={"aur": "7"}, changed_at=NOW, problem="No.", failures=2
    )
    await database.write(updates.put, "tree", [state, UpdateState(path="b")])
    await database.write(updates.put, "tree", [changed := msgspec.structs.replace(state, failures=3)])
    assert await database.read(updates.states, "tree") == {"a": changed, "b": UpdateState(path="b")}
    await database.write(updates.forget, "tree", ["a"])
    assert list(await database.read(updates.states, "tree")) == ["b"]


async def test_what_somebody_asks_to_look_at_is_kept_until_it_was(database: Database) -> None:
    await add(database)
    assert (await database.read(updates.run, "tree")).wanted is None
    await database.write(lambda it: updates.change_run(it, "tree", wanted=("a",), fired={"daily": NOW}))
    run = await database.read(updates.run, "tree")
    assert (run.wanted, run.fired) == (("a",), {"daily": NOW})
    await database.write(lambda it: updates.change_run(it, "tree", wanted=None))
    assert (await database.read(updates.run, "tree")).wanted is None


async def test_a_later_wish_for_a_build_outlives_an_earlier_one(database: Database) -> None:
    await add(database)
    wish = UpdateState(path="a", cause=Cause.SCHEDULE, detail="first")
    await database.write(updates.want, "tree", [wish])
    (earlier,) = await database.read(updates.wanted, "tree")
    await database.write(updates.want, "tree", [msgspec.structs.replace(wish, detail="second")])
    await database.write(updates.built, "tree", [earlier])
    assert [it.detail for it in await database.read(updates.wanted, "tree")] == ["second"]
    await database.write(updates.built, "tree", await database.read(updates.wanted, "tree"))
    assert await database.read(updates.wanting) == []


async def test_a_removed_source_takes_what_was_known_with_it(database: Database) -> None:
    await add(database)
    await database.write(updates.put, "tree", [UpdateState(path="a", cause=Cause.SCHEDULE)])
    await database.write(updates.see, "tree", {"icu": "1-1"})
    await database.write(lambda it: updates.change_run(it, "tree", problem="No."))
    await database.write(sources.remove, "tree")
    assert await database.read(updates.states, "tree") == {}
    assert await database.read(updates.seen, "tree") == {}
    await database.write(lambda it: updates.change_run(it, "tree", problem="No."))
    assert (await database.read(updates.run, "tree")).problem == ""
