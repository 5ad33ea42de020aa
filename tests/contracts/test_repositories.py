"""Repositories on both databases: created with an index at once, changed, deleted."""

from pathlib import Path

import pytest

from quarters.model.errors import Conflict, Invalid, NotFound
from quarters.model.repository import Upstream
from quarters.model.source import Source
from quarters.protocol.resources import NewRepository, RepositoryChange
from quarters.storage import sources
from quarters.storage.database import Database
from tests.press import Press, package, recipe


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> Press:
    return Press(database, tmp_path / "data")


async def test_a_new_repository_has_an_empty_signed_index_at_once(press: Press) -> None:
    view = await press.repositories.create(NewRepository(name="own"), "anna")
    assert view.snapshot is not None
    assert (view.snapshot.number, view.snapshot.packages, view.snapshot.actor) == (1, 0, "anna")
    assert view.key == press.keys.fingerprint
    assert await press.listed() == {}
    for name in ("own.db.sig", "own.files.sig", "own.db.tar.gz.sig"):
        assert (await press.shelf.index_file("own", None, "x86_64", name)).stat().st_size > 0


async def test_a_name_is_taken_only_once(press: Press) -> None:
    await press.repository()
    await press.upload(package("greet"))
    with pytest.raises(Conflict, match="already a repository 'own'"):
        await press.repository()
    assert await press.listed() == {"greet": "1.0-1"}


@pytest.mark.parametrize(
    ("new", "complaint"),
    [
        (NewRepository(name="../own"), "not a valid repository name"),
        (NewRepository(name="own@2"), "not a valid repository name"),
        (NewRepository(name="own", format="rpm"), "known are pacman"),
        (NewRepository(name="own", arches=()), "at least one architecture"),
        (NewRepository(name="own", arches=("x86_64", "x86_64")), "each of them once"),
        (NewRepository(name="own", arches=("any",)), "is none itself"),
        (NewRepository(name="own", arches=("../x",)), "not a valid architecture name"),
        (NewRepository(name="own", timeout=0), "above 0 seconds"),
        (NewRepository(name="own", upstreams=(Upstream("own", "http://a"),)), "a name of its own"),
        (NewRepository(name="own", upstreams=(Upstream("a", "x"), Upstream("a", "y"))), "a name of its own"),
    ],
)
async def test_what_cannot_be_a_repository_is_refused(
    press: Press, new: NewRepository, complaint: str
) -> None:
    with pytest.raises(Invalid, match=complaint):
        await press.repositories.create(new, "anna")
    assert (await press.repositories.list(10, None)).items == ()


async def test_repositories_are_listed_in_pages_by_name(press: Press) -> None:
    for name in ("beta", "alpha", "gamma"):
        await press.repository(name)
    first = await press.repositories.list(2, None)
    rest = await press.repositories.list(2, first.cursor)
    assert [[it.name for it in page.items] for page in (first, rest)] == [["alpha", "beta"], ["gamma"]]
    assert rest.cursor is None


async def test_what_a_change_leaves_out_stays(press: Press) -> None:
    await press.repository()
    view = await press.repositories.change("own", RepositoryChange(checks=False), "anna")
    assert (view.checks, view.timeout, view.arches) == (False, 3600, ("x86_64",))
    assert view.snapshot is not None
    assert view.snapshot.number == 1


async def test_a_new_architecture_lists_what_is_for_any(press: Press) -> None:
    await press.repository()
    await press.upload(package("texts", arch="any"))
    await press.upload(package("greet"))
    await press.repositories.change("own", RepositoryChange(arches=("x86_64", "aarch64")), "anna")
    assert await press.listed(arch="aarch64") == {"texts": "1.0-1"}
    assert set(await press.listed()) == {"texts", "greet"}


async def test_an_architecture_that_goes_is_served_no_more(press: Press) -> None:
    await press.repository(arches=("x86_64", "aarch64"))
    await press.upload(package("texts", arch="any"))
    await press.repositories.change("own", RepositoryChange(arches=("aarch64",)), "anna")
    with pytest.raises(NotFound):
        await press.listed(arch="x86_64")
    assert await press.listed(arch="aarch64") == {"texts": "1.0-1"}


async def test_a_repository_that_something_feeds_is_not_deleted(press: Press) -> None:
    await press.repository()
    source = Source(name="tree", kind="tree", location="/x", repository="own")
    await press.database.write(sources.add, source)
    with pytest.raises(Conflict, match="'tree' still feeds own"):
        await press.repositories.delete("own", "anna")
    await press.database.write(sources.remove, "tree")
    build = await press.delivered(recipe("greet"), package("greet"))
    with pytest.raises(Conflict, match=f"Build {build} for own has not ended"):
        await press.repositories.delete("own", "anna")


async def test_a_deleted_repository_is_gone_and_its_name_is_free(press: Press) -> None:
    await press.repository()
    await press.published(recipe("greet"), package("greet"))
    await press.repositories.delete("own", "anna")
    with pytest.raises(NotFound):
        await press.repositories.show("own")
    with pytest.raises(NotFound):
        await press.listed()
    await press.repository()
    assert await press.listed() == {}
