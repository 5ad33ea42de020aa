"""The event log: in order, and to be caught up with; on both databases."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from quarters.model.build import TRANSITIONS, Event, State
from quarters.model.errors import NotFound, StateChangeRefused
from quarters.storage import events, expiry
from quarters.storage.database import Database
from quarters.storage.schema import builds
from quarters.storage.transitions import transition
from tests.contracts.farm import Farm, recipe

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


async def test_events_are_read_in_order_from_anywhere(database: Database) -> None:
    assert await database.read(events.newest) == 0
    for number in range(3):
        await database.write(events.record, NOW, "test.one", str(number), {"n": number})
    first, *rest = await database.read(events.after, 0)
    assert (first.at, first.kind, first.subject, first.data) == (NOW, "test.one", "0", {"n": 0})
    assert await database.read(events.after, first.id) == rest
    assert await database.read(events.newest) == rest[-1].id
    assert await database.read(events.after, 0, 1) == [first]


async def test_every_transition_of_a_build_is_one_event(database: Database, tmp_path: Path) -> None:
    farm = Farm(database, tmp_path)
    await farm.begin(recipe("lib"))
    (build,) = (await farm.ask("lib")).builds
    for (old, happens), new in TRANSITIONS.items():
        last = await database.read(events.newest)

        def let(connection: Connection, old: State = old, happens: Event = happens) -> None:
            connection.execute(update(builds).values(state=old, started_at=NOW, created_at=NOW))
            transition(connection, build, happens, NOW)

        await database.write(let)
        (found,) = await database.read(events.after, last)
        assert (found.kind, found.subject, found.data["from"]) == (f"build.{new}", str(build), old)
        assert (found.data["pkgbase"], found.data["repository"], found.data["arch"]) == (
            "lib",
            "extra",
            "x86_64",
        )


async def test_what_is_refused_or_undone_is_no_event(database: Database, tmp_path: Path) -> None:
    farm = Farm(database, tmp_path)
    await farm.begin(recipe("lib"))
    (build,) = (await farm.ask("lib")).builds
    last = await database.read(events.newest)
    with pytest.raises(StateChangeRefused):
        await database.write(transition, build, Event.PUBLISHED, NOW)

    def undone(connection: Connection) -> None:
        transition(connection, build, Event.CANCEL, NOW)
        raise NotFound("It was not meant.")

    with pytest.raises(NotFound):
        await database.write(undone)
    assert await database.read(events.after, last) == []


async def test_ids_rise_in_the_order_in_which_events_can_be_seen(database: Database) -> None:
    seen: list[int] = []

    async def follow() -> None:
        while len(seen) < 400:
            seen.extend(it.id for it in await database.read(events.after, seen[-1] if seen else 0))

    async def happen(number: int) -> None:
        for one in range(20):
            await database.write(events.record, NOW, "test.one", f"{number}.{one}", {})

    await asyncio.gather(follow(), *(happen(number) for number in range(20)))
    assert seen == [it.id for it in await database.read(events.after, 0)]
    assert len(set(seen)) == 400


async def test_a_follower_who_was_away_for_too_long_can_tell(database: Database) -> None:
    for number in range(4):
        await database.write(events.record, NOW, "test.one", str(number), {})
    await database.write(expiry.forget_events, 2)
    assert await database.read(events.missed, 1)
    assert not await database.read(events.missed, 2)
    assert not await database.read(events.missed, 4)
    assert not await database.read(events.missed, 0)


async def test_a_follower_from_before_a_backup_was_restored_can_tell(database: Database) -> None:
    await database.write(events.record, NOW, "test.one", "0", {})
    assert await database.read(events.missed, 7)
