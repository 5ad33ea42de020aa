"""Which snapshot is meant, how two differ, and what is forgotten, on both databases."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from quarters.model.errors import Conflict, NotFound
from quarters.model.repository import Pin
from quarters.model.selector import selector
from quarters.storage import history, pins, snapshots
from quarters.storage.database import Database
from quarters.storage.schema import entries
from tests.press import NOON, Press, package, rows


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> Press:
    """Snapshots 1 (empty), 2 (greet 1), 3 (greet 2) and 4 (greet 2, extra), a day between each two."""
    press = Press(database, tmp_path / "data")
    await press.repository()
    for made in (package("greet", "1-1"), package("greet", "2-1"), package("extra", "1-1")):
        press.clock.at += timedelta(days=1)
        await press.upload(made)
    return press


def pin(name: str, number: int) -> Pin:
    return Pin(repository="own", name=name, number=number, actor="anna", created_at=NOON)


async def number(press: Press, text: str) -> int:
    return await press.database.read(history.number, "own", selector(text))


async def test_a_snapshot_is_found_by_number_date_time_and_pin(press: Press) -> None:
    await press.database.write(pins.add, pin("release-1", 2))
    asked = (
        "3",
        "2026-11-22",
        "2026-11-22T11:59:59Z",
        "2026-11-22T14:00:01+02:00",
        "2027-01-01",
        "release-1",
    )
    assert [await number(press, text) for text in asked] == [3, 2, 1, 2, 4, 2]


@pytest.mark.parametrize("text", ["5", "2026-11-20", "release-1"])
async def test_a_snapshot_that_never_was_is_not_found(press: Press, text: str) -> None:
    with pytest.raises(NotFound):
        await number(press, text)


async def test_a_pin_stands_for_one_snapshot_until_it_is_removed(press: Press) -> None:
    await press.database.write(pins.add, pin("release-1", 2))
    await press.database.write(pins.add, pin("release-1", 2))
    with pytest.raises(Conflict, match="release-1 stands for the snapshot 2"):
        await press.database.write(pins.add, pin("release-1", 3))
    await press.database.write(pins.remove, "own", "release-1")
    with pytest.raises(NotFound, match="no pin 'release-1'"):
        await press.database.write(pins.remove, "own", "release-1")
    assert await press.database.read(pins.listed, "own") == []


async def test_pins_go_with_their_repository(press: Press) -> None:
    await press.database.write(pins.add, pin("release-1", 2))
    await press.repositories.delete("own")
    assert await press.database.read(pins.listed, "own") == []


async def test_what_only_one_of_two_snapshots_lists(press: Press) -> None:
    async def only(here: int, there: int) -> list[tuple[str, str]]:
        found = await press.database.read(history.only_in, "own", here, there)
        return [(it.name, it.version) for it in found]

    assert await only(2, 4) == [("greet", "1-1")]
    assert await only(4, 2) == [("extra", "1-1"), ("greet", "2-1")]
    assert await only(1, 4) == []


async def test_forgetting_snapshots_keeps_what_the_others_list(press: Press) -> None:
    before = {it: await press.database.read(snapshots.content, "own", it) for it in (1, 4)}
    assert await press.database.write(history.expire, "own", [2, 3]) == 2
    assert {it: await press.database.read(snapshots.content, "own", it) for it in (1, 4)} == before
    assert await rows(press.database, entries) == 2
    with pytest.raises(NotFound):
        await number(press, "2")


async def test_stays_are_told_newest_first(press: Press) -> None:
    def read(connection: Connection) -> list[history.Stay]:
        return list(history.stays(connection, "own"))

    found = await press.database.read(read)
    assert [(it.name, it.since, it.until) for it in found] == [
        ("extra", 4, None),
        ("greet", 3, None),
        ("greet", 2, 3),
    ]
