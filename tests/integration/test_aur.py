"""Packages of the AUR, found and followed, against a server that speaks the AUR's formats."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from quarters.model.errors import Conflict, Invalid, NotFound, Unavailable
from quarters.protocol.aur import AurWish
from quarters.protocol.resources import NewSource, SourceChange
from quarters.sources.settings import SourcesSettings
from quarters.storage.wakeups import Topic
from tests.aur import LocalAur, local_aur
from tests.following import Git
from tests.serving import Running, running


@pytest.fixture
async def aur(tmp_path: Path) -> AsyncIterator[LocalAur]:
    async with local_aur(tmp_path / "aur") as aur:
        yield aur


@pytest.fixture
async def farm(tmp_path: Path, aur: LocalAur) -> AsyncIterator[Running]:
    """A server with the repository `own` that knows this AUR."""
    async with running(tmp_path, sourcing=SourcesSettings(aur=aur.url)) as server:
        yield server


def wish(*packages: str, **more: object) -> AurWish:
    return AurWish(packages=packages, repository="own", **more)  # type: ignore[arg-type]


async def test_a_search_shows_the_most_voted_for_first(aur: LocalAur, farm: Running) -> None:
    aur.push("greet-git", NumVotes=3)
    aur.push("greet", "2.0-1", NumVotes=40, OutOfDate=1_700_000_000, Maintainer=None)
    aur.push("other")
    found = await farm.admin.aur.search("greet")
    assert [(it.name, it.version, it.votes, it.maintainer) for it in found] == [
        ("greet", "2.0-1", 40, ""),
        ("greet-git", "1.0-1", 3, "ada"),
    ]
    assert found[0].outdated_since is not None


async def test_what_the_aur_refuses_is_said_in_its_words(farm: Running) -> None:
    with pytest.raises(Unavailable, match="The AUR says: Query arg too small"):
        await farm.services.aur.search("x")


async def test_added_packages_bring_what_only_the_aur_has(aur: LocalAur, farm: Running) -> None:
    aur.push("app", Depends=["libapp>=2", "glibc"], MakeDepends=["cmake-extra"])
    aur.push("libapp", "2.1-1", Depends=["base"])
    aur.push("cmake-plus", Provides=["cmake-extra=3"], NumVotes=2)
    aur.push("cmake-best", Provides=["cmake-extra=3"], NumVotes=9)
    aur.push("base")
    found = await farm.admin.aur.add(wish("app", dry_run=True))
    assert {it.name: it.needed_by for it in found.additions} == {
        "app": "",
        "libapp": "app",
        "cmake-best": "app",
        "base": "libapp",
    }
    assert (found.additions[-1].name, found.unresolved, found.source) == ("app", (("glibc", "app"),), None)
    with pytest.raises(NotFound):
        await farm.admin.sources.show("aur")


async def test_adding_makes_a_source_and_later_extends_it(aur: LocalAur, farm: Running) -> None:
    for name in ("one", "two"):
        aur.push(name)
    first = await farm.admin.aur.add(wish("one"))
    assert first.source is not None
    assert (first.source.kind, first.source.location, first.source.packages) == ("aur", aur.url, ("one",))
    second = await farm.admin.aur.add(wish("one", "two"))
    assert second.source is not None
    assert (second.already, second.source.packages) == (("one",), ("one", "two"))


async def test_a_version_that_the_aur_does_not_have_stays_unresolved(aur: LocalAur, farm: Running) -> None:
    aur.push("app", Depends=["libapp>=3"])
    aur.push("libapp", "2.1-1")
    found = await farm.admin.aur.add(wish("app", dry_run=True))
    assert ([it.name for it in found.additions], found.unresolved) == (["app"], (("libapp>=3", "app"),))


async def test_packages_that_need_each_other_come_once(aur: LocalAur, farm: Running) -> None:
    aur.push("hen", Depends=["egg"])
    aur.push("egg", Depends=["hen"])
    found = await farm.admin.aur.add(wish("hen", dry_run=True))
    assert sorted(it.name for it in found.additions) == ["egg", "hen"]


async def test_bad_wishes_are_refused(aur: LocalAur, farm: Running) -> None:
    aur.push("one")
    with pytest.raises(Invalid, match="Name at least one"):
        await farm.admin.aur.add(wish())
    with pytest.raises(Invalid, match="package name"):
        await farm.admin.aur.add(wish("../one"))
    with pytest.raises(NotFound, match="The AUR has no package 'nothing'"):
        await farm.admin.aur.add(wish("one", "nothing"))
    with pytest.raises(NotFound, match="nowhere"):
        await farm.admin.aur.add(AurWish(packages=("one",), repository="nowhere"))
    await farm.admin.sources.create(NewSource(name="aur", location="/x", repository="own"))
    with pytest.raises(Conflict, match="of kind 'tree'"):
        await farm.admin.aur.add(wish("one"))


async def test_what_recipes_turn_out_to_need_is_followed_by_itself(aur: LocalAur, farm: Running) -> None:
    aur.push("app", Depends=["libapp"])
    aur.push("libapp")
    # What the RPC says is not all: here the recipe itself says more.
    folder = aur.folder / "app"
    for name, line in (("PKGBUILD", "depends=(libapp)\n"), (".SRCINFO", "\tdepends = libapp\n")):
        text = (folder / name).read_text()
        marker = "package()" if name == "PKGBUILD" else "\npkgname"
        (folder / name).write_text(text.replace(marker, line + marker, 1))
    git = Git.of(folder)
    git.commit()
    git("update-server-info")
    aur.packages["app"].pop("Depends")
    await farm.admin.aur.add(wish("app"))
    loops = [asyncio.create_task(farm.services.sources.run()), asyncio.create_task(farm.services.aur.run())]
    try:
        async with asyncio.timeout(30):
            while (await farm.admin.sources.show("aur")).packages != ("app", "libapp"):
                mark = farm.services.wakeups.mark(Topic.EVENTS)
                await farm.services.wakeups.wait(Topic.EVENTS, mark, 1)
    finally:
        for loop in loops:
            loop.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*loops)
    await farm.admin.sources.change("aur", SourceChange(dependencies=False))
