"""A library that changes its soname: what links to it is built again, and clients see both together; with the real gcc."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quarters.model.build import Cause, State
from quarters.model.rebuild import RebuildState
from quarters.model.repository import Rebuilds
from quarters.protocol.client import Client
from quarters.protocol.rebuilds import RebuildRequest, RebuildView
from quarters.protocol.resources import NewRepository, NewSource
from tests.system.client import pacman
from tests.system.farm import REPOSITORY, Farm, all_builds, commit, happened

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="libraries are made with gcc")

LIBRARY = """pkgname={name}
pkgver={version}
pkgrel=1
pkgdesc='A library'
arch=('x86_64')
depends=({depends})
build() {{
  echo '{extern} int {name}(void) {{ return {version}; }}' >lib.c
  gcc -shared -fPIC -Wl,-soname,lib{name}.so.{major} -o lib{name}.so.{major}.0 lib.c {links}
}}
package() {{
  install -Dm755 -t "$pkgdir/usr/lib" lib{name}.so.{major}.0
  ln -s lib{name}.so.{major}.0 "$pkgdir/usr/lib/lib{name}.so.{major}"
  ln -s lib{name}.so.{major} "$pkgdir/usr/lib/lib{name}.so"
}}
"""
PROGRAM = """pkgname={name}
pkgver=1
pkgrel=1
pkgdesc='A program'
arch=('x86_64')
depends=({depends})
build() {{
  {before}
  echo '#include <stdio.h>
int quux(void); int zork(void);
int main(void) {{ printf("{name} with %d\\n", {call}()); }}' >main.c
  gcc -o {name} main.c {links}
}}
package() {{
  install -Dm755 -t "$pkgdir/usr/bin" {name}
}}
"""
SRCINFO = """pkgbase = {name}
\tpkgver = {version}
\tpkgrel = 1
\tarch = x86_64
{depends}
pkgname = {name}
"""


def write(tree: Path, name: str, version: str, text: str, *depends: str) -> None:
    """A recipe and its metadata; nothing in it says a soname."""
    (tree / name).mkdir(parents=True, exist_ok=True)
    (tree / name / "PKGBUILD").write_text(text)
    lines = "\n".join(f"\tdepends = {it}" for it in depends)
    (tree / name / ".SRCINFO").write_text(SRCINFO.format(name=name, version=version, depends=lines))


def library(tree: Path, name: str, version: str, *depends: str, links: str = "", calls: str = "") -> None:
    extern = f"int {calls}(void); int also(void) {{ return {calls}(); }}" if calls else ""
    text = LIBRARY.format(
        name=name, version=version, major=version, depends=" ".join(depends), links=links, extern=extern
    )
    write(tree, name, version, text, *depends)


def program(tree: Path, name: str, call: str, *depends: str, before: str = ":") -> None:
    links = " ".join(f"-l{it}" for it in (call,))
    text = PROGRAM.format(name=name, depends=" ".join(depends), before=before, call=call, links=links)
    write(tree, name, "1", text, *depends)


@pytest.fixture
def tree(farm: Farm) -> Path:
    """A library, one that links to it, and programs that link to either: `peak` only through `zork`."""
    tree = farm.folder / "tree"
    library(tree, "quux", "1")
    library(tree, "zork", "1", "quux", links="-lquux", calls="quux")
    program(tree, "lone", "quux", "quux")
    program(tree, "peak", "zork", "zork")
    commit(tree)
    return tree


@pytest.fixture
async def client(farm: Farm, tree: Path) -> AsyncIterator[Client]:
    farm.server()
    async with farm.client() as client:
        await client.repositories.create(NewRepository(name=REPOSITORY, rebuilds=Rebuilds.AUTO))
        await client.sources.create(NewSource(name="tree", location=str(tree), repository=REPOSITORY))
        await farm.builder("anvil")
        farm.run("builds", "watch", "--until-idle")
        yield client


async def versions(client: Client) -> dict[str, str]:
    page = await client.repositories.packages(REPOSITORY)
    return {it.name: it.version for it in page.items}


async def the_rebuild(client: Client) -> RebuildView:
    (rebuild,) = (await client.rebuilds.list()).items
    return rebuild


def raised(farm: Farm, tree: Path) -> None:
    """A new version of the library, with another soname."""
    library(tree, "quux", "2")
    commit(tree)
    farm.run("source", "sync", "tree")


async def test_what_links_to_the_old_soname_is_built_again_in_order_and_clients_see_it_together(
    farm: Farm, tree: Path, client: Client
) -> None:
    before = (await client.repositories.show(REPOSITORY)).snapshot
    assert before is not None
    raised(farm, tree)
    await happened(client, "rebuild.published")
    after = (await client.repositories.show(REPOSITORY)).snapshot
    assert after is not None
    assert after.number == before.number + 1
    assert await versions(client) == {"quux": "2-1", "zork": "1-1.1", "lone": "1-1.1", "peak": "1-1"}
    builds = await all_builds(client)
    for name in ("zork", "lone"):
        assert builds[name].cause is Cause.REBUILD
        assert (builds[name].grounds.library, builds[name].grounds.successor) == (
            "libquux.so.1",
            "libquux.so.2",
        )
    assert (
        "links to libquux.so.1, which quux no longer provides, but libquux.so.2"
        in builds["lone"].grounds.detail
    )
    assert builds["peak"].bump == 0
    said = pacman(
        farm,
        REPOSITORY,
        'pacman --config "$conf" --noconfirm -Sy lone peak; chroot "$root" /usr/bin/lone; chroot "$root" /usr/bin/peak',
    )
    assert said.splitlines()[-2:] == ["lone with 2", "peak with 1"]
    assert (await the_rebuild(client)).state is RebuildState.PUBLISHED
    assert await client.rebuilds.suggested() == ()


async def test_while_a_build_of_it_fails_clients_keep_the_old_set_and_a_retry_goes_on(
    farm: Farm, tree: Path, client: Client
) -> None:
    broken = farm.folder / "broken"
    # The network of a build is its own, but the machine's /usr is there to look at.
    program(tree, "lone", "quux", "quux", before="grep -q 2 /usr/lib/libquux.so.2.0 2>/dev/null && exit 1")
    commit(tree)
    farm.run("source", "sync", "tree")
    farm.run("builds", "watch", "--until-idle")
    old = await versions(client)
    assert old == {"quux": "1-1", "zork": "1-1", "lone": "1-1.1", "peak": "1-1"}
    library(tree, "quux", "2")
    commit(tree)
    farm.run("source", "sync", "tree")
    await happened(client, "build.failed", pkgbase="lone")
    farm.run("builds", "watch", "--until-idle", code=0)
    assert await versions(client) == old
    rebuild = await the_rebuild(client)
    assert rebuild.state is RebuildState.OPEN
    assert "Nothing of it is published, since lone (failed" in rebuild.why
    builds = await all_builds(client)
    assert builds["quux"].state is builds["zork"].state is State.SUCCEEDED
    assert f"rebuild {rebuild.id}" in farm.run("builds", "why", str(builds["quux"].id))
    said = pacman(
        farm, REPOSITORY, 'pacman --config "$conf" --noconfirm -Sy lone; chroot "$root" /usr/bin/lone'
    )
    assert said.splitlines()[-1] == "lone with 1"
    # Its author mends the recipe: the new build takes the failed lone's place in the rebuild.
    program(tree, "lone", "quux", "quux")
    commit(tree)
    farm.run("source", "sync", "tree")
    await happened(client, "rebuild.published")
    assert (await versions(client))["quux"] == "2-1"
    assert not broken.exists()


async def test_what_a_person_builds_again_sees_the_new_packages_of_the_others_while_it_is_built(
    farm: Farm, client: Client
) -> None:
    plans = await client.rebuilds.plan(RebuildRequest(depends_on=("libquux.so",)))
    assert [build.pkgbase for build in plans[0].builds] == ["lone", "zork"]
    farm.run("rebuild", "--depends-on", "libquux.so=1-64", "peak", "quux", "--follow")
    await happened(client, "rebuild.published")
    assert await versions(client) == {"quux": "1-1.1", "zork": "1-1.1", "lone": "1-1.1", "peak": "1-1.1"}
    peak = (await all_builds(client))["peak"]
    assert "zork-1-1.1" in farm.run("log", str(peak.id))


async def test_where_policy_only_suggests_the_library_is_published_and_suggestions_go_with_the_rebuild(
    farm: Farm, tree: Path, client: Client
) -> None:
    farm.run("repo", "edit", REPOSITORY, "--rebuilds", "suggest", "--bump", "whole")
    raised(farm, tree)
    event = await happened(client, "rebuild.suggested", pkgbase="lone")
    assert event.data["library"] == "libquux.so.1"
    assert (await versions(client))["quux"] == "2-1"
    found = await client.rebuilds.suggested()
    assert [(it.pkgbase, it.successor) for it in found] == [
        ("lone", "libquux.so.2"),
        ("zork", "libquux.so.2"),
    ]
    assert "lone links to libquux.so.1" not in farm.run("plan", "peak")
    assert "links to libquux.so.1" in farm.run("plan")
    farm.run("rebuild", "--suggested", "--piecewise", "--follow")
    assert await client.rebuilds.suggested() == ()
    assert await versions(client) == {"quux": "2-1", "zork": "1-2", "lone": "1-2", "peak": "1-1"}
