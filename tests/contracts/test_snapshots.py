"""Snapshots on both databases: numbered, dated, rolled back to, promoted, and their index files made again."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quarters.formats.pacman import Pacman
from quarters.model.errors import Conflict, Invalid, NotFound, PublishRejected
from quarters.model.repository import Compression
from quarters.protocol.resources import RepositoryChange
from quarters.protocol.snapshots import Promotion
from quarters.publishing.signing import verification
from quarters.storage import repositories, snapshots
from quarters.storage.database import Database
from quarters.storage.schema import packages
from tests.press import NOON, Press, package, rows


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> Press:
    press = Press(database, tmp_path / "data")
    await press.repository()
    return press


async def contents(press: Press, number: int) -> dict[str, str]:
    path = await press.shelf.index_file("own", number, "x86_64", "own.db")
    return {it.name: it.version for it in Pacman().read_index(path.read_bytes())}


async def modified(press: Press) -> datetime:
    path = await press.shelf.index_file("own", None, "x86_64", "own.db")
    told = (await press.database.read(snapshots.get, "own")).modified_at
    assert path.stat().st_mtime == told.timestamp()
    return told


async def test_every_publish_makes_the_next_number(press: Press) -> None:
    await press.upload(package("one"))
    await press.upload(package("two"))
    found = (await press.history.list("own", 10, None)).items
    assert [(it.number, it.packages, it.actor) for it in found] == [
        (3, 2, "anna"),
        (2, 1, "anna"),
        (1, 0, "anna"),
    ]
    assert found[0].note == "upload of two-1.0-1-x86_64.pkg.tar.gz"


async def test_snapshots_are_listed_in_pages_newest_first(press: Press) -> None:
    await press.upload(package("one"))
    first = await press.history.list("own", 1, None)
    rest = await press.history.list("own", 1, first.cursor)
    assert [it.number for it in (*first.items, *rest.items)] == [2, 1]
    assert rest.cursor is None


async def test_last_modified_rises_by_a_second_even_if_the_clock_does_not(press: Press) -> None:
    before = await modified(press)
    await press.upload(package("one"))
    assert await modified(press) == before + timedelta(seconds=1)


async def test_last_modified_rises_even_if_the_clock_goes_back(press: Press) -> None:
    before = await modified(press)
    press.clock.at = NOON - timedelta(days=2)
    await press.upload(package("one"))
    assert await modified(press) == before + timedelta(seconds=1)
    press.clock.at = NOON + timedelta(days=2)
    await press.upload(package("two"))
    assert await modified(press) == datetime(2026, 11, 23, 12, tzinfo=UTC)


async def test_a_rollback_is_a_new_snapshot_with_the_old_content_and_a_later_date(press: Press) -> None:
    await press.upload(package("greet", "1.0-1"))
    await press.upload(package("greet", "2.0-1"))
    await press.upload(package("extra"))
    before = await modified(press)
    snapshot = await press.publisher.rollback("own", 2, "anna")
    assert (snapshot.number, snapshot.note) == (5, "rollback to 2")
    assert await press.listed() == {"greet": "1.0-1"}
    assert await modified(press) > before


async def test_a_rollback_can_itself_be_undone(press: Press) -> None:
    await press.upload(package("greet", "1.0-1"))
    await press.publisher.rollback("own", 1, "anna")
    assert await press.listed() == {}
    await press.publisher.rollback("own", 2, "anna")
    assert await press.listed() == {"greet": "1.0-1"}


async def test_a_rollback_goes_only_to_other_snapshots_that_exist(press: Press) -> None:
    with pytest.raises(NotFound):
        await press.publisher.rollback("own", 7, "anna")
    with pytest.raises(Conflict, match="the one that is served"):
        await press.publisher.rollback("own", 1, "anna")


async def test_every_earlier_snapshot_can_still_be_read(press: Press) -> None:
    for version in ("1-1", "2-1", "3-1", "4-1", "5-1"):
        await press.upload(package("greet", version))
    assert [await contents(press, number) for number in (1, 2, 4)] == [
        {},
        {"greet": "1-1"},
        {"greet": "3-1"},
    ]


async def test_only_the_newest_index_files_stay_on_the_disk(press: Press) -> None:
    for version in ("1-1", "2-1", "3-1", "4-1"):
        await press.upload(package("greet", version))
    await press.swap.tidied()
    kept = sorted(it.name.partition("-")[0] for it in (press.folder / "index" / "own").iterdir())
    assert kept == ["3", "4", "5"]


async def test_lost_index_files_come_back_byte_for_byte(press: Press) -> None:
    await press.upload(package("greet"))
    path = await press.shelf.index_file("own", None, "x86_64", "own.db")
    before, date = path.read_bytes(), path.stat().st_mtime
    shutil.rmtree(press.folder / "index")
    again = await asyncio.gather(*(press.shelf.index_file("own", None, "x86_64", "own.db") for _ in range(5)))
    assert {it.read_bytes() for it in again} == {before}
    assert again[0].stat().st_mtime == date
    assert (await press.shelf.index_file("own", None, "x86_64", "own.files.sig")).exists()


async def test_there_are_no_other_files_in_an_index(press: Press) -> None:
    for name in ("own.db.tar.zst", "other.db", "../own.db", "own.db.sig.sig", ""):
        with pytest.raises(NotFound):
            await press.shelf.find("own", None, "x86_64", name)
    with pytest.raises(NotFound):
        await press.shelf.index_file("own", None, "../x86_64", "own.db")
    with pytest.raises(NotFound):
        await press.shelf.index_file("own", 9, "x86_64", "own.db")


async def test_an_architecture_that_does_not_change_costs_no_new_index(press: Press) -> None:
    await press.repository("wide", arches=("x86_64", "aarch64"))
    before = await press.shelf.index_file("wide", None, "aarch64", "wide.db")
    await press.upload(package("greet"), "wide")
    after = await press.shelf.index_file("wide", None, "aarch64", "wide.db")
    assert after.samefile(before)
    assert after != before


async def test_sweeping_removes_what_was_never_committed_and_nothing_else(press: Press) -> None:
    await press.upload(package("greet"))
    folder = press.folder / "index" / "own"
    (folder / "3-0123456789ABCDEF" / "x86_64").mkdir(parents=True)
    (folder / ".new-abc").mkdir()
    (press.folder / "index" / "deleted").mkdir()
    press.index.sweep(await press.database.read(repositories.currents))
    assert sorted(it.name[0] for it in folder.iterdir()) == ["1", "2"]
    assert not (press.folder / "index" / "deleted").exists()


async def test_a_promotion_lists_the_same_files_elsewhere(press: Press) -> None:
    await press.repository("final")
    made = package("greet")
    await press.upload(made)
    await press.upload(package("extra"))
    promoted = await press.promotions.promote("own", Promotion(target="final", packages=("greet",)), "anna")
    snapshot = promoted.snapshot
    assert snapshot is not None
    assert (snapshot.repository, snapshot.number, snapshot.packages) == ("final", 2, 1)
    assert await press.listed("final") == {"greet": "1.0-1"}
    here, there = [
        await press.shelf.package_file(it, None, "x86_64", made.file_name) for it in ("own", "final")
    ]
    assert here == there
    assert await rows(press.database, packages) == 2


async def test_a_promotion_of_everything_takes_what_is_new(press: Press) -> None:
    await press.repository("final")
    await press.upload(package("greet"))
    await press.promotions.promote("own", Promotion(target="final"), "anna")
    await press.upload(package("greet", "2.0-1"))
    await press.upload(package("texts", arch="any"))
    await press.promotions.promote("own", Promotion(target="final"), "anna")
    assert await press.listed("final") == {"greet": "2.0-1", "texts": "1.0-1"}
    with pytest.raises(Conflict, match="has all of this already"):
        await press.promotions.promote("own", Promotion(target="final"), "anna")


async def test_a_promotion_is_checked_like_any_publish(press: Press) -> None:
    await press.repository("final")
    await press.upload(package("greet", "1.0-1"))
    await press.upload(package("greet", "2.0-1"), "final")
    with pytest.raises(PublishRejected, match="older than the published"):
        await press.promotions.promote("own", Promotion(target="final"), "anna")
    with pytest.raises(NotFound, match="own lists no nothing"):
        await press.promotions.promote("own", Promotion(target="final", packages=("nothing",)), "anna")
    with pytest.raises(Invalid, match="into itself"):
        await press.promotions.promote("own", Promotion(target="own"), "anna")


async def test_publishes_at_the_same_moment_come_one_after_another(press: Press) -> None:
    paths = []
    for name in ("one", "two", "three"):
        made = package(name)
        path = press.folder / name
        path.write_bytes(made.content)
        paths.append((made.file_name, path))
    await asyncio.gather(*(press.publisher.upload("own", name, path, "anna") for name, path in paths))
    assert set(await press.listed()) == {"one", "two", "three"}
    assert (await press.repositories.show("own")).snapshot is not None


async def test_another_process_that_published_meanwhile_is_noticed(press: Press) -> None:
    await press.database.write(repositories.advance, "own", 1)
    with pytest.raises(Conflict, match="Somebody else published in own"):
        await press.database.write(repositories.advance, "own", 1)


async def test_after_a_change_of_key_index_and_packages_are_signed_by_the_new_one(press: Press) -> None:
    made = package("greet")
    await press.upload(made)
    old = await press.shelf.signature("own", None, "x86_64", made.file_name)
    press.keys.create("second", "Another key")
    changed = Press(press.database, press.folder, key="second")
    new = await changed.shelf.signature("own", None, "x86_64", made.file_name)
    assert new != old
    assert new == await changed.shelf.signature("own", None, "x86_64", made.file_name)
    index = await changed.shelf.index_file("own", None, "x86_64", "own.db.sig")
    assert changed.keys.fingerprint[:16] in str(index)


async def test_an_old_index_is_made_again_byte_for_byte_although_the_policy_has_changed(press: Press) -> None:
    for number in range(19):
        await press.upload(package(f"p{number:02}"))
    published = [await press.shelf.index_file("own", 20, "x86_64", f"own.{kind}") for kind in ("db", "files")]
    before = [(it.name, it.read_bytes(), it.stat().st_mtime_ns) for it in published]
    for number in range(30, 35):
        await press.upload(package(f"p{number}"))
    await press.repositories.change("own", RepositoryChange(compression=Compression.ZSTD))
    await press.swap.tidied()
    for path in (press.folder / "index" / "own").iterdir():
        shutil.rmtree(path)
    again = [await press.shelf.index_file("own", 20, "x86_64", f"own.{kind}") for kind in ("db", "files")]
    assert [(it.name, it.read_bytes(), it.stat().st_mtime_ns) for it in again] == before
    signature = await press.shelf.index_file("own", 20, "x86_64", "own.db.sig")
    signed_by = verification.check(
        again[0].read_bytes(), signature.read_bytes(), press.keys.trusted(), press.clock()
    )
    assert signed_by == press.keys.fingerprint
    assert (await press.shelf.index_file("own", None, "x86_64", "own.db")).name == "own.db.tar.zst"
    assert (await press.inspector.check("own", repair=False, actor="ada")).findings == ()
