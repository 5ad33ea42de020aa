"""What a page about a package shows, on both databases."""

from datetime import timedelta
from pathlib import Path

import pytest

from quarters.model.errors import NotFound
from quarters.storage.database import Database
from tests.press import Press, package, recipe

MORE = """url = https://example.org
license = MIT
license = GPL-2.0-or-later
group = tools
depend = libshout>=2
optdepend = texts: to read
makedepend = gcc
checkdepend = bats
conflict = greeter
replaces = hello
provides = greeting=3
provides = libgreet.so=1-64
"""
GREET = package("greet", "2-1", more=MORE)


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> Press:
    press = Press(database, tmp_path / "data")
    await press.repository()
    await press.upload(package("greet", "1-1"))
    press.clock.at += timedelta(hours=1)
    await press.published(recipe("greet", version="2-1"), GREET, builder="one")
    return press


async def test_a_page_shows_what_the_package_says_and_who_built_it_from_what(press: Press) -> None:
    found = await press.pages.show("own", "x86_64", "greet")
    assert (found.url, found.licenses, found.groups) == (
        "https://example.org",
        ("MIT", "GPL-2.0-or-later"),
        ("tools",),
    )
    assert (found.depends, found.optdepends) == (("libshout>=2",), ("texts: to read",))
    assert (found.makedepends, found.checkdepends) == (("gcc",), ("bats",))
    assert (found.conflicts, found.replaces) == (("greeter",), ("hello",))
    assert found.signed_by == (press.keys.fingerprint,)
    assert found.origin is not None
    assert (found.origin.build, found.origin.source, found.origin.revision) == (found.build, "tree", "0")
    assert (found.origin.path, found.origin.builder) == ("greet", "one")
    assert found.origin.packager == "Anna <anna@example.org>"
    assert found.origin.log == f"/api/v1/builds/{found.build}/log"


async def test_a_page_shows_all_versions_with_their_snapshots(press: Press) -> None:
    await press.publisher.rollback("own", 2, "anna")
    found = await press.pages.show("own", "x86_64", "greet")
    assert [(it.version, it.since, it.until, it.build) for it in found.versions] == [
        ("1-1", 4, None, None),
        ("2-1", 3, 4, 1),
        ("1-1", 2, 3, None),
    ]
    assert (found.version, found.origin) == ("1-1", None)


async def test_what_needs_a_package_is_found_by_its_name_and_by_what_it_provides(press: Press) -> None:
    for name, dependency in (
        ("by-name", "greet"),
        ("by-version", "greet>=2"),
        ("by-newer", "greet>=3"),
        ("by-provision", "greeting>2"),
        ("by-library", "libgreet.so=1-64"),
        ("by-older-library", "libgreet.so=0-64"),
        ("without", "other"),
    ):
        await press.upload(package(name, more=f"depend = {dependency}\n"))
    found = await press.pages.show("own", "x86_64", "greet")
    assert found.required_by == ("by-library", "by-name", "by-provision", "by-version")
    assert found.required == 4


async def test_the_paths_of_a_package_are_listed_apart(press: Press) -> None:
    assert (await press.pages.files("own", "x86_64", "greet")).files == ("usr/share/greet",)
    assert (await press.pages.show("own", "x86_64", "greet")).files == 1
    with pytest.raises(NotFound):
        await press.pages.files("own", "x86_64", "nothing")
