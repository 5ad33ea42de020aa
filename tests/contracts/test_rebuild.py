"""A lost database on both engines: what package files and signed indexes say about it is there again."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from quarters.formats.pacman import Pacman
from quarters.model.errors import Conflict, DatabaseLost, NotFound
from quarters.protocol.resources import NewRepository, RepositoryChange
from quarters.publishing.rebuild import Rebuilder, Rebuilding
from quarters.storage import repositories
from quarters.storage.database import Database
from tests.press import Press, package

FORMATS = {"pacman": Pacman()}

ANY = package("texts", arch="any")
GREET = package("greet", "2-1")


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """What a server leaves whose database is gone: `own` with two architectures, and `stable`."""
    before = Database(f"sqlite:///{tmp_path / 'lost.db'}")
    await before.open()
    press = Press(before, tmp_path / "data")
    await press.repository(arches=("aarch64", "x86_64"))
    await press.repositories.create(NewRepository(name="stable", description="slow"))
    await press.repositories.change("own", RepositoryChange(keep_versions=3))
    for made in (package("greet", "1-1"), ANY, GREET, package("extra", arch="aarch64")):
        press.clock.at += timedelta(hours=1)
        await press.upload(made)
    await press.upload(package("calm"), "stable")
    await press.swap.tidied()
    await before.close()
    return press.folder


@pytest.fixture
async def press(database: Database, folder: Path) -> Press:
    """The same folder with an empty database."""
    press = Press(database, folder)
    press.clock.at += timedelta(days=1)
    return press


async def rebuild(press: Press, repository: str | None = None) -> Rebuilding:
    rebuilder = Rebuilder(press.database, press.files, press.index, press.keys, FORMATS, press.swap)
    return await rebuilder.rebuild(repository)


async def whole(press: Press, *names: str) -> bool:
    checks = [await press.inspector.check(name, repair=False, actor="ada") for name in names]
    return all(it.findings == () and it.packages for it in checks)


async def test_repositories_are_rebuilt_with_their_policies_and_all_that_they_listed(press: Press) -> None:
    done = await rebuild(press)
    assert [(it.name, it.packages, it.lost, it.policy) for it in done.repositories] == [
        ("own", 4, (), True),
        ("stable", 1, (), True),
    ]
    assert await press.listed() == {"greet": "2-1", "texts": "1.0-1"}
    assert await press.listed(arch="aarch64") == {"extra": "1.0-1", "texts": "1.0-1"}
    assert await press.listed("stable") == {"calm": "1.0-1"}
    assert (await press.repositories.show("stable")).description == "slow"
    assert (await press.repositories.show("own")).keep_versions == 3
    assert await whole(press, "own", "stable")
    await press.upload(package("greet", "3-1"))
    assert await whole(press, "own")


async def test_snapshots_whose_indexes_are_left_keep_their_numbers_and_can_be_gone_back_to(
    press: Press,
) -> None:
    left = sorted(int(it.name.partition("-")[0]) for it in (press.folder / "index/own").iterdir())
    done = await rebuild(press)
    known = [it.number for it in (await press.history.list("own", 100, None)).items][::-1]
    assert known == [*left, left[-1] + 1]
    assert done.repositories[0].snapshot == left[-1] + 1
    await press.publisher.rollback("own", left[0], "ada")
    assert await whole(press, "own")


async def test_a_start_does_not_destroy_what_a_rebuild_needs(press: Press) -> None:
    with pytest.raises(DatabaseLost, match=r"own, stable.*quarters restore --from-packages"):
        await press.publisher.recover()
    await rebuild(press)
    await press.publisher.recover()
    assert await whole(press, "own", "stable")


async def test_a_lost_package_is_named_and_not_listed(press: Press) -> None:
    path = press.files.path(hashlib.sha256(GREET.content).hexdigest())
    path.chmod(0o644)
    path.write_bytes(GREET.content[:-1])
    done = await rebuild(press)
    assert done.repositories[0].lost == (GREET.file_name,)
    assert "greet" not in await press.listed()


async def test_an_index_that_was_altered_is_not_believed(press: Press) -> None:
    newest = max((press.folder / "index/own").iterdir(), key=lambda it: int(it.name.partition("-")[0]))
    index = newest / "aarch64" / "own.db.tar.gz"
    index.write_bytes(index.read_bytes()[:-1] + b"\1")
    await rebuild(press)
    assert await press.listed(arch="aarch64") == {"texts": "1.0-1"}  # as in the snapshot before


async def test_without_any_index_the_newest_of_every_package_is_listed(press: Press) -> None:
    for path in sorted((press.folder / "index").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(NotFound, match="--repository"):
        await rebuild(press)
    done = await rebuild(press, "all")
    assert (done.repositories[0].policy, done.unlisted) == (False, 0)
    assert await press.listed("all") == {"greet": "2-1", "texts": "1.0-1", "calm": "1.0-1"}
    assert await whole(press, "all")


async def test_a_database_that_is_there_is_not_rebuilt(press: Press) -> None:
    await rebuild(press)
    with pytest.raises(Conflict, match="not lost"):
        await rebuild(press)
    assert len(await press.database.read(repositories.currents)) == 2
