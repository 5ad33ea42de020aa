"""Backups on both databases, and from each to the other: of one moment, incremental, and refused once damaged."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from quarters.model.errors import BackupDamaged, Conflict, NotFound
from quarters.model.token import Scope
from quarters.protocol.resources import NewToken
from quarters.publishing.change import Change
from quarters.publishing.swap import Credit
from quarters.server.tokens import Tokens
from quarters.storage import repositories
from quarters.storage.backup import manifest, restoring
from quarters.storage.backup import rows as dumped
from quarters.storage.backup.making import Made, Maker, Wishes
from quarters.storage.backup.restoring import Restored, Restorer
from quarters.storage.database import Database
from quarters.storage.logs import LogFiles
from quarters.storage.schema import builds, metadata
from tests.press import Press, package, recipe

OTHER = {"sqlite": "postgresql", "postgresql": "sqlite"}


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> Press:
    """A repository with a package that was uploaded, one that was built, and one that waits to be published."""
    press = Press(database, tmp_path / "data")
    await press.repository()
    await press.upload(package("greet"))
    await press.published(recipe("app"), package("app"))
    await press.delivered(recipe("late"), package("late"))
    LogFiles(press.folder / "logs").append(1, 1, 0, b"It compiles.\n")
    return press


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture(params=["the same engine", "the other engine"])
def empty_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> str:
    """An empty database to restore into."""
    import psycopg

    kind = database_url.partition(":")[0]
    if request.param == "the other engine":
        kind = OTHER[kind]
    if kind == "sqlite":
        (tmp_path / "restored").mkdir()
        return f"sqlite:///{tmp_path / 'restored' / 'quarters.db'}"
    server: str = request.getfixturevalue("postgresql")
    name = f"restored_{os.urandom(8).hex()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


async def back_up(press: Press, vault: Path, wishes: Wishes | None = None) -> Made:
    press.clock.at += timedelta(minutes=1)
    return await Maker(press.database, press.folder, vault, wishes or Wishes(), press.clock).make()


async def restore(press: Press, vault: Path, url: str, folder: Path) -> Restored:
    folder.mkdir(exist_ok=True)
    return await Restorer(partial(Database, url), folder, vault, press.clock).restore(manifest.read(vault))


def rows(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    return {
        table.name: [tuple(it) for it in connection.execute(select(table).order_by(*table.primary_key))]
        for table in metadata.sorted_tables
    }


async def test_what_is_restored_is_what_was_backed_up_whatever_the_engine(
    press: Press, vault: Path, empty_url: str, tmp_path: Path
) -> None:
    await Tokens(press.database, press.clock).create(NewToken(name="ada", scope=Scope.ADMIN))
    made = await back_up(press, vault)
    assert (made.repositories, made.packages, made.logs, made.keys) == (1, 2, 1, 1)
    before = await press.database.read(rows)
    target = tmp_path / "there"
    restored = await restore(press, vault, empty_url, target)
    assert restored.repositories == ("own",)
    assert LogFiles(target / "logs").read(1, 1, 0, 100) == b"It compiles.\n"
    database = Database(empty_url)
    await database.open()
    try:
        after = await database.read(rows)
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"repositories", "snapshots", "events"}  # a new snapshot, for clients that saw more
        assert after["snapshots"][:-1] == before["snapshots"]
        there = Press(database, target)
        there.clock.at = press.clock.at + timedelta(minutes=1)
        assert there.keys.fingerprint == press.keys.fingerprint
        assert await there.listed() == await press.listed()
        assert (await there.inspector.check("own", repair=False, actor="ada")).findings == ()
        await there.deliveries.publish_ready()  # what was acknowledged is not lost
        assert "late" in await there.listed()
        await there.published(recipe("more"), package("more"))  # rows are numbered on
        assert (await there.inspector.check("own", repair=False, actor="ada")).findings == ()
    finally:
        await database.close()


async def test_the_time_of_the_restored_index_is_later_than_anything_that_was_served(
    press: Press, vault: Path, empty_url: str, tmp_path: Path
) -> None:
    await back_up(press, vault)
    press.clock.at += timedelta(hours=1)
    await press.upload(package("lost"))
    lost = await press.shelf.index_file("own", None, "x86_64", "own.db")
    press.clock.at += timedelta(hours=1)
    await restore(press, vault, empty_url, tmp_path / "there")
    database = Database(empty_url)
    await database.open()
    there = Press(database, tmp_path / "there")
    found = await there.shelf.index_file("own", None, "x86_64", "own.db")
    await database.close()
    assert found.stat().st_mtime > lost.stat().st_mtime


async def test_a_second_backup_copies_only_what_is_new(press: Press, vault: Path) -> None:
    first = await back_up(press, vault)
    assert first.added == 4  # two packages, what waits, a log
    assert (await back_up(press, vault)).added == 0
    await press.upload(package("extra"))
    LogFiles(press.folder / "logs").append(1, 1, 13, b"It links.\n")
    assert (await back_up(press, vault)).added == 2
    assert len(manifest.names(vault)) == 3


async def test_backups_that_are_not_to_be_kept_take_with_them_what_only_they_had(
    press: Press, vault: Path
) -> None:
    await back_up(press, vault)
    made = await back_up(press, vault, Wishes(kept=1))
    assert manifest.names(vault) == [made.name]
    restoring.check(manifest.read(vault), vault)
    found = manifest.read(vault).manifest
    wanted = {it.sha256 for it in (*found.packages, *found.files)}
    assert {it.name for it in (vault / "content").glob("??/*")} == wanted


async def test_keys_can_be_left_out_and_are_private_otherwise(press: Press, vault: Path) -> None:
    made = await back_up(press, vault)
    secret = (press.folder / "keys" / "quarters.asc").read_bytes()
    assert (made.folder / "keys" / "quarters.asc").read_bytes() == secret
    assert (made.folder / "keys" / "quarters.asc").stat().st_mode & 0o777 == 0o600
    assert (made.folder / "keys").stat().st_mode & 0o777 == 0o700
    assert vault.stat().st_mode & 0o777 == 0o700
    without = await back_up(press, vault, Wishes(keys=False))
    assert (without.keys, (without.folder / "keys").exists()) == (0, False)


def _rows_cut(vault: Path, folder: Path) -> None:
    path = folder / "rows.jsonl.zst"
    path.write_bytes(path.read_bytes()[:-10])


def _manifest_altered(vault: Path, folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"own"', b'"owm"').replace(b"0.", b"1.", 1))


def _package_cut(vault: Path, folder: Path) -> None:
    path = max((vault / "content").glob("??/*"), key=lambda it: it.stat().st_size)
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1])


def _package_missing(vault: Path, folder: Path) -> None:
    next((vault / "content").glob("??/*")).unlink()


def _key_altered(vault: Path, folder: Path) -> None:
    (folder / "keys" / "quarters.asc").write_text("another one")


@pytest.mark.parametrize(
    "damage", [_rows_cut, _manifest_altered, _package_cut, _package_missing, _key_altered]
)
async def test_a_damaged_backup_is_refused_and_leaves_nothing_behind(
    press: Press, vault: Path, tmp_path: Path, damage: Callable[[Path, Path], None]
) -> None:
    damage(vault, (await back_up(press, vault)).folder)
    with pytest.raises(BackupDamaged, match="damaged"):
        restoring.check(manifest.read(vault), vault)
    target = tmp_path / "there"
    with pytest.raises(BackupDamaged, match="damaged"):
        await restore(press, vault, f"sqlite:///{target}/quarters.db", target)
    assert list(target.iterdir()) == []


async def test_nothing_is_restored_over_what_is_there(press: Press, vault: Path, tmp_path: Path) -> None:
    await back_up(press, vault)
    with pytest.raises(Conflict, match="not empty"):
        restoring.require_empty(press.folder)
    with pytest.raises(Conflict, match="not empty"):
        await press.database.write(dumped.load, manifest.read(vault).folder / "rows.jsonl.zst")
    with pytest.raises(NotFound, match="no backup"):
        manifest.read(tmp_path / "nowhere")


async def test_a_listed_package_whose_file_is_damaged_is_not_passed_over(press: Press, vault: Path) -> None:
    path = press.files.path(hashlib.sha256(package("greet").content).hexdigest())
    path.chmod(0o644)
    path.write_bytes(b"something else")
    with pytest.raises(Conflict, match="damaged; run `quarters repo check"):
        await back_up(press, vault)
    path.unlink()
    with pytest.raises(Conflict, match="is missing"):
        await back_up(press, vault)
    assert manifest.names(vault) == []


async def test_a_backup_beside_publishing_is_of_one_moment(
    press: Press, vault: Path, empty_url: str, tmp_path: Path
) -> None:
    enough = asyncio.Event()

    async def publish() -> int:
        number = 0
        while not enough.is_set():
            number += 1
            await press.upload(package(f"p{number % 5}", f"{number}-1"))
            if number % 4 == 0:
                repository = await press.database.read(repositories.get, "own")
                async with press.swap.lock("own"):
                    gone = frozenset({("x86_64", f"p{number % 5}")})
                    await press.swap.publish(repository, Change(gone=gone), Credit("anna", "gone"))
        return number

    publishing = asyncio.create_task(publish())
    for _ in range(5):
        await back_up(press, vault)
    enough.set()
    assert await publishing > 1
    target = tmp_path / "there"
    await restore(press, vault, empty_url, target)
    database = Database(empty_url)
    await database.open()
    there = Press(database, target)
    there.clock.at = press.clock.at + timedelta(minutes=1)
    checked = await there.inspector.check("own", repair=False, actor="ada")
    await database.close()
    assert checked.findings == ()
    assert checked.packages > 1


async def test_a_running_builds_number_is_not_given_twice_after_a_restore(
    press: Press, vault: Path, empty_url: str, tmp_path: Path
) -> None:
    await back_up(press, vault)
    await restore(press, vault, empty_url, tmp_path / "there")
    database = Database(empty_url)
    await database.open()
    there = Press(database, tmp_path / "there")
    number = await there.delivered(recipe("next"), package("next"))
    known = await press.database.read(lambda it: it.execute(select(builds.c.id)).scalars().all())
    await database.close()
    assert number not in known
