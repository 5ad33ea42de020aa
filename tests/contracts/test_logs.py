"""Logs arrive in order and whole, however often their pieces are sent; on both databases."""

from concurrent.futures import ThreadPoolExecutor
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


async def test_a_log_is_compressed_once_its_attempt_has_ended_and_reads_as_before(farm: Farm) -> None:
    assignment = await farm.claimed()
    one = key(assignment)
    content = b"".join(b"line %d\n" % number for number in range(300_000))
    for offset in range(0, len(content), 1 << 20):
        await farm.leases.append_log(one, offset, content[offset : offset + (1 << 20)])
    assert await farm.history.compress() == 0
    await farm.fail(assignment)
    assert await farm.history.compress() == 1
    assert farm.logs.growing() == set()
    assert farm.logs.weight(one.build) < len(content) / 4
    assert farm.logs.size(one.build, one.attempt) == len(content)
    for offset in (0, (1 << 20) - 3, 2_000_000, len(content) - 5, len(content)):
        read = await farm.builds.log(one.build, one.attempt, offset, 1 << 20)
        assert read == content[offset : offset + (1 << 20)]
    assert await farm.history.compress() == 0


async def test_nothing_is_added_to_a_compressed_log(farm: Farm) -> None:
    assignment = await farm.claimed()
    await farm.leases.append_log(key(assignment), 0, b"one\n")
    await farm.fail(assignment)
    await farm.history.compress()
    assert farm.logs.append(assignment.build, assignment.attempt, 4, b"two\n") == 4
    assert farm.logs.append(assignment.build, assignment.attempt, 0, b"one\n") == 4
    assert (farm.logs.growing(), farm.logs.read(assignment.build, 1, 0, 100)) == (set(), b"one\n")


def test_whoever_adds_while_it_is_compressed_learns_that_it_is_too_late(tmp_path: Path) -> None:
    logs = LogFiles(tmp_path)
    for build in range(50):
        logs.append(build, 1, 0, b"one\n")
        with ThreadPoolExecutor() as threads:
            compressing = threads.submit(logs.compress, build, 1)
            size = threads.submit(logs.append, build, 1, 4, b"two\n").result()
            compressing.result()
        assert logs.read(build, 1, 0, 100) == b"one\ntwo\n"[:size]


def test_compressing_that_was_killed_is_taken_up_again(tmp_path: Path) -> None:
    logs = LogFiles(tmp_path)
    logs.append(1, 1, 0, b"one\n")
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "1.log.new").write_bytes(b"half")
    logs.compress(1, 1)
    # Killed between naming the compressed file and removing the other one:
    raw = tmp_path / "growing" / "1.1.log"
    raw.write_bytes(b"")
    logs.compress(1, 1)
    assert not raw.exists()
    assert logs.read(1, 1, 0, 100) == b"one\n"
