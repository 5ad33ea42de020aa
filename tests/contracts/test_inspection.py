"""Checks on both databases: what a flipped bit, a missing and an extra thing do, and that a repair mends it."""

import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, text, update

from quarters.protocol.checks import Checked, Damage
from quarters.protocol.snapshots import Promotion
from quarters.storage.database import Database
from quarters.storage.schema import entries, packages, signatures, snapshots
from tests.press import Made, Press, package

GREET, EXTRA, TEXTS = package("greet"), package("extra"), package("texts", arch="any")
ALL = {"greet": "1.0-1", "extra": "1.0-1", "texts": "1.0-1"}


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> Press:
    press = Press(database, tmp_path / "data")
    await press.repository()
    for made in (GREET, EXTRA, TEXTS):
        await press.upload(made)
    return press


async def check(press: Press, *, repair: bool = False) -> Checked:
    return await press.inspector.check("own", repair=repair, actor="anna")


def sha256(made: Made) -> str:
    return hashlib.sha256(made.content).hexdigest()


def flip(path: Path, at: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 1
    path.chmod(0o644)
    status = path.stat()
    path.write_bytes(data)
    os.utime(path, (status.st_atime, status.st_mtime))


def folder(press: Press) -> Path:
    (found,) = (press.folder / "index" / "own").glob("4-*")
    return found / "x86_64"


async def _file_flipped(press: Press) -> None:
    flip(press.files.path(sha256(GREET)))


async def _file_cut(press: Press) -> None:
    path = press.files.path(sha256(GREET))
    path.chmod(0o644)
    path.write_bytes(GREET.content[:-1])


async def _file_missing(press: Press) -> None:
    press.files.path(sha256(GREET)).unlink()


async def _file_extra(press: Press) -> None:
    (press.folder / "packages" / sha256(GREET)[:2] / "greet.pkg.tar.gz").write_bytes(GREET.content)


async def _file_stray(press: Press) -> None:
    path = press.files.path("0" * 64)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"not what the name says")


async def _file_outside(press: Press) -> None:
    (press.folder / "packages" / "notes").write_text("mine")


async def _index_flipped(press: Press) -> None:
    flip(folder(press) / "own.db.tar.gz")


async def _index_header_flipped(press: Press) -> None:
    flip(folder(press) / "own.files.tar.gz", 5)  # gzip's time: the content is still the same


async def _index_missing(press: Press) -> None:
    (folder(press) / "own.files.tar.gz").unlink()


async def _index_extra(press: Press) -> None:
    (folder(press) / "other.db").write_bytes(b"")


async def _index_folder_extra(press: Press) -> None:
    (press.folder / "index" / "own" / "backup").mkdir()


async def _index_table_flipped(press: Press) -> None:
    flip(folder(press) / ".pages")


async def _index_redated(press: Press) -> None:
    os.utime(folder(press) / "own.db.tar.gz", (0, 0))


async def _index_signature_flipped(press: Press) -> None:
    flip(folder(press) / "own.db.tar.gz.sig", -1)


async def _index_signature_missing(press: Press) -> None:
    (folder(press) / "own.db.tar.gz.sig").unlink()


async def _run(press: Press, *statements: object) -> None:
    def write(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))  # no foreign keys
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]

    await press.database.write(write)


async def _signature_flipped(press: Press) -> None:
    old = await press.shelf.signature("own", None, "x86_64", f"{GREET.file_name}.sig")
    bad = old[:-1] + bytes([old[-1] ^ 1])
    await _run(press, update(signatures).where(signatures.c.sha256 == sha256(GREET)).values(data=bad))


async def _signature_missing(press: Press) -> None:
    await _run(press, delete(signatures).where(signatures.c.sha256 == sha256(GREET)))


async def _row_version_changed(press: Press) -> None:
    await _run(press, update(packages).where(packages.c.name == "greet").values(version="1.1-1"))


async def _row_name_changed(press: Press) -> None:
    await _run(press, update(packages).where(packages.c.name == "greet").values(name="great"))


async def _row_file_name_changed(press: Press) -> None:
    await _run(
        press,
        update(packages).where(packages.c.name == "greet").values(file_name="greet-1.1-1-any.pkg.tar.gz"),
    )


async def _row_index_parts_changed(press: Press) -> None:
    parts = {"desc": "%NAME%\ngreet\n\n%VERSION%\n1.0-1\n\n", "files": "%FILES%\n"}
    await _run(press, update(packages).where(packages.c.name == "greet").values(index_parts=parts))


async def _row_info_changed(press: Press) -> None:
    await _run(press, update(packages).where(packages.c.name == "greet").values(info={"name": "greet"}))


async def _entry_missing(press: Press) -> None:
    await _run(press, delete(entries).where(entries.c.name == "greet"))


async def _entry_renamed(press: Press) -> None:
    await _run(press, update(entries).where(entries.c.name == "greet").values(name="great"))


async def _count_changed(press: Press) -> None:
    await _run(press, update(snapshots).where(snapshots.c.number == 4).values(packages=7))


Harm = Callable[[Press], Awaitable[None]]
MENDABLE: tuple[tuple[Harm, Damage], ...] = (
    (_file_extra, Damage.FILE_EXTRA),
    (_file_stray, Damage.FILE_EXTRA),
    (_file_outside, Damage.FILE_EXTRA),
    (_index_flipped, Damage.INDEX_DAMAGED),
    (_index_header_flipped, Damage.INDEX_DAMAGED),
    (_index_missing, Damage.INDEX_MISSING),
    (_index_extra, Damage.INDEX_EXTRA),
    (_index_folder_extra, Damage.INDEX_EXTRA),
    (_index_table_flipped, Damage.INDEX_DAMAGED),
    (_index_redated, Damage.INDEX_DAMAGED),
    (_index_signature_flipped, Damage.INDEX_DAMAGED),
    (_index_signature_missing, Damage.INDEX_MISSING),
    (_signature_flipped, Damage.SIGNATURE_DAMAGED),
    (_signature_missing, Damage.SIGNATURE_MISSING),
    (_row_version_changed, Damage.ROW_DAMAGED),
    (_row_name_changed, Damage.ROW_DAMAGED),
    (_row_file_name_changed, Damage.ROW_DAMAGED),
    (_row_index_parts_changed, Damage.ROW_DAMAGED),
    (_row_info_changed, Damage.ROW_DAMAGED),
    (_entry_missing, Damage.ROW_MISSING),
    (_entry_renamed, Damage.ROW_DAMAGED),
    (_count_changed, Damage.ROW_DAMAGED),
)
FATAL: tuple[tuple[Harm, Damage], ...] = (
    (_file_flipped, Damage.FILE_DAMAGED),
    (_file_cut, Damage.FILE_DAMAGED),
    (_file_missing, Damage.FILE_MISSING),
)


def harms(cases: tuple[tuple[Harm, Damage], ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("harm", "damage"), cases, ids=[it.__name__.strip("_") for it, _ in cases])


async def test_a_whole_repository_has_no_findings(press: Press) -> None:
    checked = await check(press)
    assert (checked.findings, checked.packages, checked.snapshot) == ((), 3, 4)
    assert (await check(press, repair=True)).repairs == ()


@harms(MENDABLE)
async def test_what_can_be_mended_is_found_and_mended(press: Press, harm: Harm, damage: Damage) -> None:
    await harm(press)
    found = await check(press)
    assert damage in {it.damage for it in found.findings}
    assert found.repairs == ()
    mended = await check(press, repair=True)
    assert mended.findings
    assert mended.repairs or damage is Damage.ROW_DAMAGED
    assert (await check(press)).findings == ()
    assert await press.listed() == ALL
    await whole(press, GREET, EXTRA, TEXTS)


@harms(FATAL)
async def test_a_package_whose_file_is_of_no_use_is_dropped_with_a_snapshot_that_says_so(
    press: Press, harm: Harm, damage: Damage
) -> None:
    await harm(press)
    assert [it.damage for it in (await check(press)).findings] == [damage]
    await check(press, repair=True)
    newest = await press.history.show("own", 5)
    assert (newest.actor, newest.note) == ("anna", f"repair: {GREET.file_name} was lost")
    assert (await check(press)).findings == ()
    assert await press.listed() == {"extra": "1.0-1", "texts": "1.0-1"}
    await press.upload(GREET)
    assert await press.listed() == ALL
    await whole(press, GREET)


async def test_a_row_that_was_lost_is_made_again_from_the_file(press: Press, database_url: str) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite keeps foreign keys within a transaction")
    await _run(press, delete(packages).where(packages.c.name == "greet"))
    assert Damage.ROW_MISSING in {it.damage for it in (await check(press)).findings}
    await check(press, repair=True)
    assert (await check(press)).findings == ()
    await whole(press, GREET, EXTRA)


async def test_a_package_that_was_lost_with_its_row_is_found_among_the_files(press: Press) -> None:
    await _run(
        press,
        delete(entries).where(entries.c.name == "greet"),
        delete(signatures).where(signatures.c.sha256 == sha256(GREET)),
        delete(packages).where(packages.c.name == "greet"),
    )
    await check(press, repair=True)
    assert (await check(press)).findings == ()
    assert await press.listed() == ALL
    await whole(press, GREET)


async def test_a_row_that_was_never_published_is_found(press: Press) -> None:
    await press.repository("other")
    secret = package("secret")
    await press.upload(secret, "other")
    row = {"repository": "own", "arch": "x86_64", "name": "secret", "sha256": sha256(secret), "since": 4}
    await _run(press, insert(entries).values(**row))
    assert Damage.ROW_EXTRA in {it.damage for it in (await check(press)).findings}


async def test_a_check_of_one_repository_leaves_others_alone(press: Press) -> None:
    await press.repository("final")
    await press.promotions.promote("own", Promotion(target="final"), "anna")
    await _file_missing(press)
    await check(press, repair=True)
    assert (await press.listed("final"))["greet"] == "1.0-1"
    checked = await press.inspector.check("final", repair=True, actor="anna")
    assert [it.damage for it in checked.findings] == [Damage.FILE_MISSING]
    assert "greet" not in await press.listed("final")


async def test_what_is_taken_in_at_the_moment_is_no_finding(press: Press) -> None:
    path = press.folder / "upload"
    made = package("coming")
    path.write_bytes(made.content)
    press.files.add(path, sha256(made))
    assert (await check(press, repair=True)).findings == ()
    assert press.files.path(sha256(made)).exists()


async def whole(press: Press, *made: Made) -> None:
    for it in made:
        path, _ = await press.shelf.package_file("own", None, "x86_64", it.file_name)
        assert path.read_bytes() == it.content
        assert await press.shelf.signature("own", None, "x86_64", f"{it.file_name}.sig")
