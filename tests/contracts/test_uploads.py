"""Artifacts arrive whole or not at all, in as many parts as it takes; on both databases."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from quarters.model.errors import Invalid, StorageFull
from quarters.protocol.builds import ArtifactDigest, LeaseKey
from quarters.storage import uploads
from quarters.storage.database import Database
from tests.contracts.farm import Farm, built, key, pieces, recipe

NAME = "lib-1-1-x86_64.pkg.tar.zst"
CONTENT = bytes(range(256)) * 9000
WHOLE = ArtifactDigest(file_name=NAME, size=len(CONTENT), sha256=sha256(CONTENT).hexdigest())


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> Farm:
    farm = Farm(database, tmp_path)
    await farm.begin(recipe("lib"))
    await farm.ask("lib")
    return farm


async def _broken_off(content: bytes) -> AsyncIterator[bytes]:
    yield content
    raise ConnectionResetError


def _path(farm: Farm, lease: LeaseKey) -> Path:
    return farm.incoming.path(lease.build, lease.attempt, NAME)


async def test_an_upload_that_broke_off_goes_on_where_it_was(farm: Farm) -> None:
    one = await farm.claimed()
    half = len(CONTENT) // 2
    with pytest.raises(ConnectionResetError):
        await farm.leases.receive_artifact(key(one), WHOLE, 0, _broken_off(CONTENT[:half]))
    there = (await farm.leases.artifact_received(key(one), NAME)).size
    assert 0 < there <= half
    done = await farm.leases.receive_artifact(key(one), WHOLE, there, pieces(CONTENT[there:], 50_000))
    assert done.size == len(CONTENT)
    assert _path(farm, key(one)).read_bytes() == CONTENT
    await farm.leases.finish(key(one), built(one, WHOLE))


async def test_an_offset_beyond_what_is_there_is_not_taken(farm: Farm) -> None:
    one = key(await farm.claimed())
    received = await farm.leases.receive_artifact(one, WHOLE, 1000, pieces(CONTENT[1000:], 50_000))
    assert received.size == 0


async def test_damage_is_noticed_and_the_file_is_sent_anew(farm: Farm) -> None:
    one = key(await farm.claimed())
    damaged = b"x" + CONTENT[1:]
    with pytest.raises(Invalid, match="arrived damaged"):
        await farm.leases.receive_artifact(one, WHOLE, 0, pieces(damaged, 50_000))
    assert (await farm.leases.artifact_received(one, NAME)).size == 0
    assert (await farm.leases.receive_artifact(one, WHOLE, 0, pieces(CONTENT, 50_000))).size == WHOLE.size


async def test_more_than_was_announced_is_refused(farm: Farm) -> None:
    one = key(await farm.claimed())
    with pytest.raises(Invalid, match="more arrived"):
        await farm.leases.receive_artifact(one, WHOLE, 0, pieces(CONTENT + b"x", 50_000))


@pytest.mark.parametrize(
    "name", ["../lib-1-1-x86_64.pkg.tar.zst", "/etc/passwd", "lib.txt", "a/" + NAME, ".."]
)
async def test_a_name_that_no_package_has_is_refused(farm: Farm, name: str) -> None:
    one = key(await farm.claimed())
    artifact = ArtifactDigest(file_name=name, size=1, sha256=sha256(b"x").hexdigest())
    with pytest.raises(Invalid, match="not the name of a package"):
        await farm.leases.receive_artifact(one, artifact, 0, pieces(b"x"))


async def test_what_cannot_fit_is_refused_before_it_is_sent(farm: Farm) -> None:
    one = key(await farm.claimed())
    huge = ArtifactDigest(file_name=NAME, size=1 << 60, sha256=WHOLE.sha256)
    with pytest.raises(StorageFull, match=NAME):
        await farm.leases.receive_artifact(one, huge, 0, pieces(CONTENT))


async def test_a_file_that_is_here_whole_counts_even_if_the_server_died_before_noting_it(farm: Farm) -> None:
    one = await farm.claimed()
    await farm.leases.receive_artifact(key(one), WHOLE, 0, pieces(CONTENT, 50_000))
    await farm.database.write(uploads.forget, one.build, one.attempt, NAME)
    await farm.leases.finish(key(one), built(one, WHOLE))
    assert list(await farm.database.read(uploads.whole, one.build, one.attempt)) == [NAME]


async def test_sending_a_file_again_takes_nothing_and_changes_nothing(farm: Farm) -> None:
    one = key(await farm.claimed())
    await farm.leases.receive_artifact(one, WHOLE, 0, pieces(CONTENT, 50_000))
    assert (await farm.leases.receive_artifact(one, WHOLE, 0, pieces(b""))).size == WHOLE.size
    assert _path(farm, one).read_bytes() == CONTENT


async def test_only_what_finish_names_is_to_be_published(farm: Farm) -> None:
    one = await farm.claimed()
    debug = ArtifactDigest(
        file_name="lib-debug-1-1-x86_64.pkg.tar.zst", size=1, sha256=sha256(b"d").hexdigest()
    )
    await farm.leases.receive_artifact(key(one), debug, 0, pieces(b"d"))
    await farm.leases.receive_artifact(key(one), WHOLE, 0, pieces(CONTENT, 50_000))
    await farm.leases.finish(key(one), built(one, WHOLE))
    assert list(await farm.database.read(uploads.whole, one.build, one.attempt)) == [NAME]


async def test_what_a_lost_attempt_sent_is_cleared_away_and_what_is_to_be_published_is_not(
    farm: Farm,
) -> None:
    lost = key(await farm.claimed())
    await farm.leases.receive_artifact(lost, WHOLE, 0, pieces(CONTENT, 50_000))
    farm.clock.turn(100)
    await farm.leases.sweep()
    assert not _path(farm, lost).exists()
    farm.clock.turn(100)
    one = await farm.claimed()
    artifact = await farm.upload(one)
    await farm.leases.finish(key(one), built(one, artifact))
    farm.clock.turn(100)
    await farm.leases.sweep()
    assert _path(farm, key(one)).exists()
    await farm.publish(one.build)
    await farm.leases.sweep()
    assert farm.incoming.attempts() == set()


async def test_a_file_that_is_being_published_cannot_be_written_to_by_an_upload_that_never_ended(
    farm: Farm,
) -> None:
    one = await farm.claimed()
    going_on, done = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        going_on.set()
        await done.wait()
        yield bytes(len(CONTENT))

    slow = asyncio.create_task(farm.leases.receive_artifact(key(one), WHOLE, 0, slowly()))
    await going_on.wait()
    await farm.leases.receive_artifact(key(one), WHOLE, 0, pieces(CONTENT, 50_000))
    await farm.leases.finish(key(one), built(one, WHOLE))
    done.set()
    with pytest.raises(Invalid, match="nothing more is taken"):
        await slow
    assert _path(farm, key(one)).read_bytes() == CONTENT
