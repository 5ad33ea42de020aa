"""Logs arrive in order and whole, however often their pieces are sent; on both databases."""

from pathlib import Path

import pytest

from quarters.model.errors import Invalid
from quarters.storage.database import Database
from quarters.storage.logs import LogFiles
from quarters.storage.wakeups import Topic
from tests.contracts.farm import Farm, key, recipe


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> Farm:
    farm = Farm(database, tmp_path)
    await farm.begin(recipe("lib"))
    await farm.ask("lib")
    return farm


async def test_pieces_are_put_together_and_repeats_do_no_harm(farm: Farm) -> None:
    one = key(await farm.claimed())
    assert (await farm.leases.append_log(one, 0, b"one\ntwo\n")).size == 8
    assert (await farm.leases.append_log(one, 0, b"one\n")).size == 8
    assert (await farm.leases.append_log(one, 4, b"two\nthree\n")).size == 14
    assert await farm.builds.log(one.build, one.attempt, 0, 100) == b"one\ntwo\nthree\n"
    assert await farm.builds.log(one.build, one.attempt, 4, 4) == b"two\n"
    assert await farm.builds.log(one.build, one.attempt, 14, 100) == b""


async def test_a_gap_is_not_taken_and_the_answer_says_where_to_go_on(farm: Farm) -> None:
    one = key(await farm.claimed())
    await farm.leases.append_log(one, 0, b"one")
    assert (await farm.leases.append_log(one, 9, b"late")).size == 3
    assert (await farm.leases.log_received(one)).size == 3
    with pytest.raises(Invalid):
        await farm.leases.append_log(one, -1, b"early")


async def test_what_arrives_wakes_those_who_follow_the_log(farm: Farm) -> None:
    one = key(await farm.claimed())
    mark = farm.wakeups.mark(Topic.log(one.build))
    await farm.leases.append_log(one, 0, b"one")
    assert await farm.wakeups.wait(Topic.log(one.build), mark, 0)


async def test_every_attempt_has_a_log_of_its_own(farm: Farm) -> None:
    first = key(await farm.claimed())
    await farm.leases.append_log(first, 0, b"first")
    farm.clock.turn(100)
    await farm.leases.sweep()
    farm.clock.turn(100)
    second = key(await farm.claimed())
    await farm.leases.append_log(second, 0, b"second")
    assert await farm.builds.log(first.build, 1, 0, 100) == b"first"
    assert await farm.builds.log(first.build, 2, 0, 100) == b"second"


def test_a_log_that_was_never_written_is_empty(tmp_path: Path) -> None:
    logs = LogFiles(tmp_path)
    assert (logs.size(1, 1), logs.read(1, 1, 0, 10)) == (0, b"")


async def test_a_builder_that_sends_without_end_is_stopped_at_the_limit(farm: Farm) -> None:
    one = key(await farm.claimed())
    end = farm.settings.log_limit
    for offset in (end, 2**62):
        with pytest.raises(Invalid, match="A log has at most"):
            await farm.leases.append_log(one, offset, b"one")
    await farm.leases.append_log(one, end - 3, b"one")


async def test_nothing_is_past_the_end_however_far(farm: Farm) -> None:
    one = key(await farm.claimed())
    await farm.leases.append_log(one, 0, b"one")
    assert await farm.builds.log(one.build, one.attempt, 2**62, 100) == b""
