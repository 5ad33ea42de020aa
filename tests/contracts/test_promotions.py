"""Promotions on both databases: what they list, and what they refuse to break."""

from pathlib import Path

import pytest
from sqlalchemy import Connection

from quarters.model.errors import NotFound, PublishRejected
from quarters.model.recipe import Provision
from quarters.model.repository import Published, Upstream
from quarters.protocol.resources import RepositoryChange
from quarters.protocol.snapshots import Promoted, Promotion
from quarters.storage import repositories, upstreams
from quarters.storage.database import Database
from quarters.storage.upstreams import Known
from tests.press import NOON, Press, package


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> Press:
    press = Press(database, tmp_path / "data")
    await press.repository("testing")
    await press.repository("stable")
    await press.upload(package("lib", "2-1", more="provides = liblib.so=2-64\n"), "testing")
    await press.upload(package("app", "2-1", more="depend = lib>=2\ndepend = liblib.so=2-64\n"), "testing")
    return press


async def promote(press: Press, *names: str, force: bool = False, dry_run: bool = False) -> Promoted:
    wanted = Promotion(target="stable", packages=names, force=force, dry_run=dry_run)
    return await press.promotions.promote("testing", wanted, "anna")


async def test_what_is_complete_is_promoted(press: Press) -> None:
    done = await promote(press)
    assert [(it.name, it.before, it.after) for it in done.packages] == [
        ("app", None, "2-1"),
        ("lib", None, "2-1"),
    ]
    assert done.missing == ()
    assert await press.listed("stable") == {"app": "2-1", "lib": "2-1"}


async def test_what_would_lack_something_is_refused_with_what_is_missing(press: Press) -> None:
    with pytest.raises(PublishRejected) as refusal:
        await promote(press, "app")
    assert "app 2-1 (x86_64) needs lib>=2, which neither stable nor its upstreams have." in str(refusal.value)
    assert "liblib.so=2-64" in str(refusal.value)
    assert await press.listed("stable") == {}


async def test_force_promotes_it_all_the_same_and_says_what_is_missing(press: Press) -> None:
    done = await promote(press, "app", force=True)
    assert len(done.missing) == 2
    assert await press.listed("stable") == {"app": "2-1"}


async def test_a_dry_run_says_what_would_be_and_changes_nothing(press: Press) -> None:
    done = await promote(press, "app", dry_run=True)
    assert (len(done.packages), len(done.missing), done.snapshot) == (1, 2, None)
    assert await press.listed("stable") == {}


async def test_nothing_in_the_target_loses_the_library_it_links_to(press: Press) -> None:
    await press.upload(package("lib", "1-1", more="provides = liblib.so=1-64\n"), "stable")
    await press.upload(package("old", "1-1", more="depend = liblib.so=1-64\n"), "stable")
    with pytest.raises(
        PublishRejected, match=r"old 1-1 \(x86_64\) would lose liblib.so=1-64, which lib gives it"
    ):
        await promote(press, "lib")
    assert (await press.listed("stable"))["lib"] == "1-1"


async def test_a_pkgbase_stands_for_all_its_packages(press: Press) -> None:
    for name in ("one", "two"):
        await press.upload(package(name, base="both"), "testing")
    done = await promote(press, "both")
    assert [it.name for it in done.packages] == ["one", "two"]


async def test_upstreams_satisfy_dependencies_once_they_are_known(press: Press) -> None:
    upstream = Upstream("core", "https://mirror.example/$repo/$arch")
    await press.repositories.change("stable", RepositoryChange(upstreams=(upstream,)))
    assert (
        "What core has for x86_64 is not known yet" in (await promote(press, "app", dry_run=True)).missing[0]
    )
    have = Published(name="lib", version="2-1", provides=(Provision("liblib.so", "2-64"),))

    def put(connection: Connection) -> None:
        repositories.get(connection, "stable")
        upstreams.put(connection, "stable", Known(upstream, "x86_64"), [have], "mark", NOON)

    await press.database.write(put)
    assert (await promote(press, "app")).missing == ()


async def test_what_is_for_any_architecture_is_promoted_to_each_of_the_target(press: Press) -> None:
    await press.repositories.change("stable", RepositoryChange(arches=("x86_64", "aarch64")))
    await press.upload(package("data", arch="any"), "testing")
    done = await promote(press, "data")
    assert [(it.arch, it.name) for it in done.packages] == [("x86_64", "data"), ("aarch64", "data")]
    for arch in ("x86_64", "aarch64"):
        assert await press.listed("stable", arch) == {"data": "1.0-1"}
    with pytest.raises(NotFound, match="lists no lib for aarch64"):
        await press.promotions.promote(
            "testing", Promotion(target="stable", packages=("lib",), arch="aarch64"), "anna"
        )


async def test_a_group_stands_for_all_packages_in_it(press: Press) -> None:
    for name in ("loud", "quiet", "alone"):
        group = "" if name == "alone" else "group = voices\n"
        await press.upload(package(name, more=group), "testing")
    done = await promote(press, "voices")
    assert [it.name for it in done.packages] == ["loud", "quiet"]
