"""Index files through many publishes, on both databases: always what would be made from the rows alone."""

import asyncio
import gzip
import random
import shutil
from pathlib import Path

import pytest

from quarters.formats.pacman import Pacman
from quarters.model.errors import PublishRejected
from quarters.model.repository import Compression
from quarters.protocol.resources import RepositoryChange
from quarters.publishing.change import Change
from quarters.publishing.uploads import Terms
from quarters.storage import repositories, snapshots
from quarters.storage.database import Database
from tests.press import NOON, Made, Press, package

FILES = ("own.db", "own.db.sig", "own.files", "own.files.sig")


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> Press:
    press = Press(database, tmp_path / "data")
    await press.repository()
    return press


async def upload(press: Press, *made: Made) -> None:
    """Upload packages side by side."""
    paths = [press.folder / f"{number}.upload" for number, _ in enumerate(made)]
    for path, it in zip(paths, made, strict=True):
        path.write_bytes(it.content)
    uploads = (
        press.publisher.upload("own", it.file_name, path, "anna")
        for path, it in zip(paths, made, strict=True)
    )
    await asyncio.gather(*uploads)


async def all_wait(press: Press, count: int) -> None:
    """Until so many wait for their turn to publish."""
    while len(press.swap.lock("own")._waiters or ()) < count:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)


async def index(press: Press, number: int | None = None) -> list[bytes]:
    return [(await press.shelf.index_file("own", number, "x86_64", name)).read_bytes() for name in FILES]


async def made_anew(press: Press, number: int | None = None) -> list[bytes]:
    """The index as it is made when there is no other to start from."""
    await press.swap.tidied()
    shutil.rmtree(press.folder / "index")
    return await index(press, number)


async def test_an_index_that_many_publishes_changed_is_the_one_that_rows_alone_give(press: Press) -> None:
    chance = random.Random(3)
    names = [f"p{number}" for number in range(120)]
    await upload(press, *(package(name) for name in names))
    listed = dict.fromkeys(names, "1.0-1")
    for release in range(2, 10):
        name = chance.choice(sorted(listed))
        if release % 3 == 0:
            await press.publisher.remove("own", "x86_64", name, "anna")
            del listed[name]
        else:
            await upload(press, package(name, f"1.0-{release}"), package(f"q{release}", "1.0-1"))
            listed |= {name: f"1.0-{release}", f"q{release}": "1.0-1"}
    assert await press.listed() == listed
    before = await index(press)
    assert (await made_anew(press))[::2] == before[::2]


async def test_an_old_snapshot_is_made_again_from_a_newer_one_as_it_was(press: Press) -> None:
    await upload(press, *(package(f"p{number}") for number in range(100)))
    number = await press.database.read(repositories.current, "own")
    first = await index(press, number)
    for release in range(2, 7):
        await upload(press, package("p50", f"1.0-{release}"), package(f"q{release}"))
    await press.publisher.remove("own", "x86_64", "p7", "anna")
    await press.swap.tidied()
    assert not list((press.folder / "index" / "own").glob(f"{number}-*"))
    assert (await index(press, number))[::2] == first[::2]


async def test_an_index_that_was_never_committed_is_not_what_another_starts_from(press: Press) -> None:
    await upload(press, *(package(f"p{number}") for number in range(50)))
    await press.swap.tidied()
    before = await index(press)
    number = await press.database.read(repositories.current, "own")
    repository = await press.database.read(repositories.get, "own")
    # A process that is killed now would leave the same.
    await press.index.prepare(repository, number, Change(gone=frozenset({("x86_64", "p7")})), NOON)
    for folder in (press.folder / "index" / "own").iterdir():
        if not folder.name.startswith(f"{number + 1}-"):
            shutil.rmtree(folder)
    assert (await index(press))[::2] == before[::2]


async def test_a_flipped_bit_on_the_disk_is_gone_with_the_next_publish(press: Press) -> None:
    await upload(press, *(package(f"p{number}") for number in range(100)))
    path = await press.shelf.index_file("own", None, "x86_64", "own.files")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    await upload(press, package("q"))
    repaired = await index(press)
    assert gzip.decompress(repaired[2]).count(b"%FILES%") == 101
    assert (await made_anew(press))[::2] == repaired[::2]


async def test_another_compression_makes_a_new_snapshot_of_the_same_packages(press: Press) -> None:
    await upload(press, package("one"), package("two"))
    before = await press.shelf.index_file("own", None, "x86_64", "own.db")
    view = await press.repositories.change("own", RepositoryChange(compression=Compression.ZSTD))
    assert view.compression is Compression.ZSTD
    assert view.snapshot is not None
    assert (view.snapshot.note, view.snapshot.packages) == ("zstd instead of gzip", 2)
    path = await press.shelf.index_file("own", None, "x86_64", "own.db")
    assert path.name == "own.db.tar.zst"
    assert path.stat().st_mtime > before.stat().st_mtime
    assert {it.name for it in Pacman().read_index(path.read_bytes())} == {"one", "two"}
    await upload(press, package("three"))
    assert await press.listed() == dict.fromkeys(("one", "two", "three"), "1.0-1")
    assert (await made_anew(press))[0].startswith(b"\x28\xb5\x2f\xfd")


async def test_a_new_key_signs_an_index_that_is_otherwise_the_same(press: Press) -> None:
    await upload(press, *(package(f"p{number}") for number in range(40)))
    before = await index(press)
    press.keys.create("second", "Second <second@example.org>")
    press.sign_with("second")
    after = await index(press)
    assert after[::2] == before[::2]
    assert after[1::2] != before[1::2]


async def test_uploads_that_arrive_together_are_published_together(press: Press) -> None:
    await upload(press, *(package(f"p{number}") for number in range(20)))
    made = await press.database.read(snapshots.listed, "own")
    assert len(made) < 6
    assert made[0].packages == 20
    assert sum(it.note.count("upload of") for it in made) == len(made) - 1


async def test_each_of_several_uploads_has_its_own_answer(press: Press) -> None:
    await press.upload(package("greet", "2.0-1"))
    good, old = package("good"), package("greet", "1.0-1")
    wrong = package("greet", "2.0-1", text="Something else.\n")
    paths = [press.folder / it for it in ("good", "old", "wrong")]
    for path, it in zip(paths, (good, old, wrong), strict=True):
        path.write_bytes(it.content)
    async with press.swap.lock("own"):  # so that all three wait for their turn
        answers = [
            asyncio.create_task(press.publisher.upload("own", it.file_name, path, "anna"))
            for path, it in zip(paths, (good, old, wrong), strict=True)
        ]
        await all_wait(press, 3)
    results = await asyncio.gather(*answers, return_exceptions=True)
    assert [type(it).__name__ for it in results] == ["PackageView", "PublishRejected", "PublishRejected"]
    assert [str(it) for it in results[1:]] == [
        "greet 1.0-1 is older than the published 2.0-1; allow the downgrade, or roll back.",
        "greet 2.0-1 is published already with other content; raise its release number.",
    ]
    assert await press.listed() == {"greet": "2.0-1", "good": "1.0-1"}


async def test_an_upload_that_is_given_up_does_not_hold_up_the_others(press: Press) -> None:
    made = [package(f"p{number}") for number in range(3)]
    paths = [press.folder / it.file_name for it in made]
    for path, it in zip(paths, made, strict=True):
        path.write_bytes(it.content)
    async with press.swap.lock("own"):
        tasks = [
            asyncio.create_task(press.publisher.upload("own", it.file_name, path, "anna"))
            for path, it in zip(paths, made, strict=True)
        ]
        await all_wait(press, 3)
        tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert tasks[0].cancelled()
    assert await press.listed() == {"p1": "1.0-1", "p2": "1.0-1"}


async def test_an_older_version_is_published_only_where_that_is_asked_for(press: Press) -> None:
    await press.upload(package("greet", "2.0-1"))
    path = press.folder / "older"
    older = package("greet", "1.0-1")
    path.write_bytes(older.content)
    with pytest.raises(PublishRejected, match="older than the published"):
        await press.publisher.upload("own", older.file_name, path, "anna")
    await press.publisher.upload("own", older.file_name, path, "anna", Terms(allow_downgrade=True))
    assert await press.listed() == {"greet": "1.0-1"}
    same = package("greet", "1.0-1", text="Other content.\n")
    path.write_bytes(same.content)
    with pytest.raises(PublishRejected, match="published already with other content"):
        await press.publisher.upload("own", same.file_name, path, "anna", Terms(allow_downgrade=True))
