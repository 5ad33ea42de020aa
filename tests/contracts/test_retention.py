"""Cleaning on both databases: what expires, when files go, and what they are spared for."""

import asyncio
import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from quarters.formats.pacman import Pacman
from quarters.model.errors import NotFound
from quarters.protocol.resources import RepositoryChange
from quarters.protocol.snapshots import Cleaned, Promotion
from quarters.publishing.intake import Intake
from quarters.storage import garbage
from quarters.storage.database import Database
from quarters.storage.schema import garbage as garbage_rows
from quarters.storage.schema import packages, signatures
from tests.press import Made, Press, package, recipe, rows

ONE, TWO, THREE = (package("greet", f"{version}-1") for version in (1, 2, 3))


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> Press:
    """Snapshots 1 (empty), 2 (greet 1), 3 (greet 2) and 4 (greet 3), a day between each two; one version is kept."""
    press = Press(database, tmp_path / "data")
    await press.repository()
    await press.repositories.change("own", RepositoryChange(keep_versions=1))
    for made in (ONE, TWO, THREE):
        press.clock.at += timedelta(days=1)
        await press.upload(made)
    return press


async def clean(press: Press, *, dry_run: bool = False) -> Cleaned:
    return await press.retention.clean("own", dry_run=dry_run, actor="anna")


async def later(press: Press) -> Cleaned:
    """Clean after the grace period."""
    press.clock.at += timedelta(seconds=press.settings.grace)
    return await clean(press)


def sha256(made: Made) -> str:
    return hashlib.sha256(made.content).hexdigest()


def stored(press: Press) -> int:
    return sum(1 for it in (press.folder / "packages").rglob("*") if it.is_file())


async def numbers(press: Press) -> list[int]:
    return [it.number for it in (await press.history.list("own", 100, None)).items]


async def obtainable(press: Press, made: Made, snapshot: int | None = None) -> bool:
    try:
        path, _ = await press.shelf.package_file("own", snapshot, "x86_64", made.file_name)
    except NotFound:
        return False
    return path.read_bytes() == made.content


async def test_without_a_policy_nothing_expires(press: Press) -> None:
    await press.repositories.change("own", RepositoryChange(keep_versions=0))
    assert (await clean(press)).expired == ()
    assert await numbers(press) == [4, 3, 2, 1]


async def test_what_the_policy_does_not_keep_is_forgotten_at_once_and_its_files_after_a_while(
    press: Press,
) -> None:
    done = await clean(press)
    assert (done.expired, done.unlisted, done.freed) == ((1, 2, 3), 2, 0)
    assert await numbers(press) == [4]
    assert (stored(press), await obtainable(press, ONE)) == (3, False)
    done = await later(press)
    assert done.freed == len(ONE.content) + len(TWO.content)
    assert (stored(press), await rows(press.database, packages)) == (1, 1)
    assert (await rows(press.database, signatures), await rows(press.database, garbage_rows)) == (1, 0)
    assert await obtainable(press, THREE)


async def test_a_dry_run_tells_the_same_and_changes_nothing(press: Press) -> None:
    told = await clean(press, dry_run=True)
    assert await numbers(press) == [4, 3, 2, 1]
    assert await rows(press.database, garbage_rows) == 0
    assert await clean(press) == told


async def test_a_pinned_snapshot_is_kept_with_its_files(press: Press) -> None:
    await press.history.pin("own", "release-1", 2, "anna")
    await clean(press)
    await later(press)
    assert await numbers(press) == [4, 2]
    assert await obtainable(press, ONE, 2)
    await press.publisher.rollback("own", "release-1", "anna")
    assert await press.listed() == {"greet": "1-1"}


async def test_days_keep_what_was_served_within_them(press: Press) -> None:
    await press.repositories.change("own", RepositoryChange(keep_versions=0, keep_days=1))
    assert (await clean(press)).expired == (1,)


async def test_a_file_that_another_repository_lists_stays(press: Press) -> None:
    await press.publisher.rollback("own", 2, "anna")
    await press.repository("stable")
    await press.promotions.promote("own", Promotion(target="stable"), "anna")
    await press.publisher.remove("own", "x86_64", "greet", "anna")
    press.clock.at += timedelta(days=2)
    await press.repositories.change("own", RepositoryChange(keep_versions=0, keep_days=1))
    await clean(press)
    await later(press)
    assert await press.listed("stable") == {"greet": "1-1"}
    path, _ = await press.shelf.package_file("stable", None, "x86_64", ONE.file_name)
    assert path.read_bytes() == ONE.content


async def test_a_file_that_is_listed_again_is_spared(press: Press) -> None:
    await clean(press)
    await press.publisher.remove("own", "x86_64", "greet", "anna")
    await press.upload(ONE)
    await later(press)
    assert await obtainable(press, ONE)


async def test_a_file_that_an_open_build_has_delivered_is_spared(press: Press) -> None:
    await press.publisher.remove("own", "x86_64", "greet", "anna")
    await clean(press)
    build = await press.delivered(recipe("greet", version="1-1"), ONE)
    await later(press)
    assert press.files.path(sha256(ONE)).exists()
    await press.deliveries.publish_ready()
    assert (await press.build(build)).finished_at is not None
    assert await obtainable(press, ONE)


async def test_files_that_were_taken_in_and_never_listed_go_too(press: Press) -> None:
    stray = package("stray")
    path = press.folder / "upload"
    path.write_bytes(stray.content)
    press.files.add(path, sha256(stray))
    await clean(press)
    assert press.files.path(sha256(stray)).exists()
    await later(press)
    assert not press.files.path(sha256(stray)).exists()


async def test_a_removal_that_was_cut_off_is_ended_by_the_next(press: Press) -> None:
    await clean(press)
    press.files.remove(sha256(ONE))  # and then the process was killed
    assert (await later(press)).freed == len(TWO.content)
    assert (await rows(press.database, packages), await rows(press.database, garbage_rows)) == (1, 0)


async def test_a_file_is_never_removed_under_the_hands_of_who_takes_it_in(press: Press) -> None:
    await clean(press)
    press.clock.at += timedelta(seconds=press.settings.grace)
    await press.publisher.remove("own", "x86_64", "greet", "anna")
    await asyncio.gather(press.retention.collect(), press.upload(ONE), press.retention.collect())
    await press.retention.collect()
    assert await press.listed() == {"greet": "1-1"}
    assert await obtainable(press, ONE)


async def test_a_file_that_was_taken_in_and_is_about_to_be_listed_is_spared(press: Press) -> None:
    await clean(press)
    press.clock.at += timedelta(seconds=press.settings.grace)
    path = press.folder / "upload"
    path.write_bytes(ONE.content)
    formats = {"pacman": Pacman()}
    file = formats["pacman"].read_package(path, ONE.file_name)
    await Intake(press.database, press.files, press.keys, formats).take(path, file)
    await press.retention.collect()
    assert press.files.path(sha256(ONE)).exists()
    assert not press.files.path(sha256(TWO)).exists()


async def test_what_is_marked_is_known(press: Press) -> None:
    await clean(press)

    def read(connection: Connection) -> tuple[int, bool, set[str]]:
        return (
            garbage.count(connection),
            garbage.marked(connection, sha256(ONE)),
            garbage.known(connection, [sha256(ONE), "0" * 64]),
        )

    assert await press.database.read(read) == (2, True, {sha256(ONE)})


async def test_no_file_is_removed_while_somebody_holds_them(press: Press) -> None:
    await clean(press)
    press.clock.at += timedelta(seconds=press.settings.grace)
    await press.database.write(garbage.hold, "backup", press.clock.at + timedelta(seconds=60))
    assert (await press.retention.collect(), stored(press)) == (0, 3)
    press.clock.at += timedelta(seconds=60)  # whoever held them was killed
    assert await press.retention.collect() == len(ONE.content) + len(TWO.content)
    assert stored(press) == 1
