"""Rebuilds on both databases: what belongs together becomes visible together, and what is left over is built as well."""

import gzip
import io
import tarfile
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from quarters.formats.pacman import Pacman
from quarters.model.build import Bump, Reason, State
from quarters.model.errors import Conflict, Invalid, NotFound
from quarters.model.rebuild import RebuildState
from quarters.model.repository import Rebuilds
from quarters.model.source import Source
from quarters.protocol.builds import ArtifactDigest, Assignment
from quarters.protocol.rebuilds import RebuildRequest, RebuildView
from quarters.protocol.resources import BuildRequest, NewRepository, RepositoryChange
from quarters.storage import events, repositories, sources
from quarters.storage.database import Database
from quarters.storage.schema import lost_libraries
from tests.contracts.farm import Farm, built, key, pieces, recipe
from tests.press import Made, Press, rows
from tests.unit.formats.elves import elf


class Works:
    """Scheduling and publishing over one database: builds end as a test says."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.press = Press(database, folder)
        self.farm = Farm(database, folder)
        self.farm.clock.now = self.press.clock()
        self.made: dict[str, tuple[str, str]] = {}
        """By pkgbase, the sonames that its next package provides and needs."""
        self.later: dict[str, tuple[str, str]] = {}
        """The same for the package after that."""
        self.roots: dict[str, list[str]] = {}
        """By pkgbase, the repositories that its last build was given."""

    async def begin(self, policy: Rebuilds) -> None:
        new = NewRepository(name="extra", checks=False, rebuilds=policy)
        await self.press.repositories.create(new, "anna")
        source = Source(name="tree", kind="tree", location="/tree", repository="extra")
        await self.farm.database.write(sources.add, source)

    async def build(self, *, broken: str = "") -> list[str]:
        """Build all that there is until nothing is ready; what is `broken` fails. Returns the order."""
        order: list[str] = []
        while True:
            assert len(order) < 12, order
            await self.settle()
            claimed = await self.farm.claim()
            if not claimed:
                return order
            order.append(claimed[0].pkgbase)
            self.roots[claimed[0].pkgbase] = [it.name for it in claimed[0].repositories]
            if claimed[0].pkgbase == broken:
                await self.farm.fail(claimed[0], Reason.BUILD_FAILED)
            else:
                await self.deliver(claimed[0])

    async def settle(self) -> None:
        """Let every loop have its turn until nothing more comes of it."""
        for _ in range(4):
            await self.press.deliveries.publish_ready()
            await self.farm.rebuilds.round()
            await self.press.staging.publish_complete()

    async def deliver(self, one: Assignment) -> None:
        provided, needed = self.made.get(one.pkgbase, ("", ""))
        if one.pkgbase in self.later:
            self.made[one.pkgbase] = self.later.pop(one.pkgbase)
        version = Pacman().bumped(one.version, one.bump, one.bumping)
        it = package(one.pkgbase, version, provided, needed)
        artifact = ArtifactDigest(
            file_name=it.file_name, size=len(it.content), sha256=sha256(it.content).hexdigest()
        )
        await self.farm.leases.receive_artifact(key(one), artifact, 0, pieces(it.content, 1 << 16))
        said = msgspec.structs.replace(built(one, artifact), version=version)
        await self.farm.leases.finish(key(one), said)

    async def listed(self) -> dict[str, str]:
        return await self.press.listed("extra")

    async def rebuild(self) -> RebuildView:
        """The newest."""
        return (await self.farm.rebuilds.list(None, 10, None)).items[0]

    async def published(self, *pkgbases: str) -> None:
        """Have these built and published, as `made` says."""
        await self.farm.have(*(recipe(pkgbase) for pkgbase in pkgbases))
        await self.farm.requests.plan_sources()
        await self.build()

    async def raised(self, pkgbase: str, provided: str, needed: str = "") -> None:
        """A new version of a recipe, whose package will provide another library."""
        self.made[pkgbase] = (provided, needed)
        await self.farm.have(recipe(pkgbase, version="2-1", fingerprint="f2"))
        await self.farm.requests.plan_sources()


def package(name: str, version: str, provided: str, needed: str) -> Made:
    """A package with a program or, where it provides something, libraries."""
    content = f"pkgname = {name}\npkgbase = {name}\npkgver = {version}\narch = x86_64\n".encode()
    files = [(".PKGINFO", content)]
    for soname in provided.split():
        files.append((f"usr/lib/{soname}.0", elf(*needed.split(), soname=soname)))
    if not provided:
        files.append((f"usr/bin/{name}", elf(*needed.split(), "libc.so.6", kind=2)))
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for path, data in files:
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return Made(f"{name}-{version}-x86_64.pkg.tar.gz", version, gzip.compress(target.getvalue(), mtime=0))


@pytest.fixture
async def works(database: Database, tmp_path: Path) -> Works:
    """A repository that rebuilds by itself, with `lib`, and with `app` and `tool` that link to it."""
    works = Works(database, tmp_path)
    await works.begin(Rebuilds.AUTO)
    works.made = {"lib": ("liblib.so.1", ""), "app": ("", "liblib.so.1"), "tool": ("", "liblib.so.1")}
    await works.published("lib", "app", "tool")
    assert await works.listed() == {"lib": "1-1", "app": "1-1", "tool": "1-1"}
    works.made |= {"app": ("", "liblib.so.2"), "tool": ("", "liblib.so.2")}
    return works


async def test_what_links_to_the_old_library_becomes_visible_with_the_new_one(works: Works) -> None:
    before = (await works.press.repositories.show("extra")).snapshot
    await works.raised("lib", "liblib.so.2")
    assert await works.build() == ["lib", "app", "tool"]
    after = (await works.press.repositories.show("extra")).snapshot
    assert before is not None
    assert after is not None
    assert (after.number, after.actor) == (before.number + 1, "rebuilds")
    assert await works.listed() == {"lib": "2-1", "app": "1-1.1", "tool": "1-1.1"}
    assert works.roots["app"] == ["extra~1", "extra"]
    rebuild = await works.rebuild()
    assert rebuild.state is RebuildState.PUBLISHED
    assert "app links to liblib.so.1, which lib no longer provides, but liblib.so.2." in rebuild.detail
    assert await works.farm.rebuilds.suggested(None) == ()
    assert [it.name for it in (await works.press.repositories.list(10, None)).items] == ["extra"]


async def test_nothing_is_visible_while_one_of_it_has_failed_and_a_retry_goes_on(works: Works) -> None:
    await works.raised("lib", "liblib.so.2")
    await works.build(broken="tool")
    assert await works.listed() == {"lib": "1-1", "app": "1-1", "tool": "1-1"}
    rebuild = await works.rebuild()
    assert rebuild.state is RebuildState.OPEN
    assert "Nothing of it is published, since tool (failed" in rebuild.why
    lib = next(it for it in rebuild.builds if it.pkgbase == "lib")
    assert "becomes visible with rebuild" in (await works.farm.builds.show(lib.build)).why.replace(
        "become visible", "becomes visible"
    )
    (tool,) = (it.build for it in rebuild.builds if it.state is State.FAILED)
    await works.farm.builds.retry(tool, "anna")
    assert await works.build() == ["tool"]
    assert await works.listed() == {"lib": "2-1", "app": "1-1.1", "tool": "1-1.1"}


async def test_a_rebuild_is_published_without_what_failed_if_a_person_says_so(works: Works) -> None:
    await works.raised("lib", "liblib.so.2")
    await works.build(broken="tool")
    number = (await works.rebuild()).id
    assert (await works.farm.rebuilds.publish(number)).state is RebuildState.COMPLETE
    await works.settle()
    assert await works.listed() == {"lib": "2-1", "app": "1-1.1", "tool": "1-1"}
    (left,) = await works.farm.rebuilds.suggested("extra")
    assert (left.pkgbase, left.library) == ("tool", "liblib.so.1")
    with pytest.raises(Conflict, match="is published"):
        await works.farm.rebuilds.drop(number, "anna")


async def test_nothing_is_left_of_a_rebuild_that_is_dropped(works: Works) -> None:
    await works.raised("lib", "liblib.so.2")
    await works.build(broken="tool")
    number = (await works.rebuild()).id
    await works.farm.database.write(sources.remove, "tree")
    with pytest.raises(Conflict, match=f"Rebuild {number} of extra is not published"):
        await works.press.repositories.delete("extra")
    assert (await works.farm.rebuilds.drop(number, "anna")).why == "Dropped by anna."
    await works.settle()
    assert await works.listed() == {"lib": "1-1", "app": "1-1", "tool": "1-1"}
    assert await works.farm.database.read(repositories.currents) == {"extra": 4}


async def test_what_waits_for_the_library_belongs_to_the_rebuild_and_is_built_with_the_new_one(
    works: Works,
) -> None:
    await works.farm.have(recipe("lib", version="2-1", fingerprint="f2"), recipe("late", "lib"))
    works.made |= {"lib": ("liblib.so.2", ""), "late": ("", "liblib.so.2")}
    await works.farm.requests.plan_sources()
    assert set(await works.build(broken="tool")) == {"lib", "late", "app", "tool"}
    assert works.roots["late"] == ["extra~1", "extra"]
    assert "late" not in await works.listed()


async def test_what_is_published_meanwhile_and_links_to_the_old_library_is_built_again_too(
    works: Works,
) -> None:
    await works.raised("lib", "liblib.so.2")
    await works.settle()
    await works.deliver(await works.farm.claimed())
    works.made["other"] = ("", "liblib.so.1")
    await works.farm.have(recipe("other"))
    await works.farm.requests.plan_sources()
    other = await works.farm.claimed()
    await works.deliver(other)
    assert [it.name for it in other.repositories] == ["extra"]
    works.made["other"] = ("", "liblib.so.2")
    await works.build()
    assert await works.listed() == {"lib": "2-1", "app": "1-1.1", "tool": "1-1.1", "other": "1-1.1"}


async def test_rebuilds_that_have_to_build_the_same_become_one(works: Works) -> None:
    works.made |= {"second": ("libsecond.so.1", ""), "app": ("", "liblib.so.1 libsecond.so.1")}
    await works.farm.have(recipe("second"), recipe("app", fingerprint="f2"))
    await works.farm.requests.plan_sources()
    await works.build()
    await works.raised("lib", "liblib.so.2")
    await works.build(broken="app")
    works.made["app"] = ("", "liblib.so.2 libsecond.so.2")
    await works.raised("second", "libsecond.so.2")
    await works.build()
    assert await works.listed() == {"lib": "2-1", "second": "2-1", "app": "1-1.2", "tool": "1-1.1"}
    found = (await works.farm.rebuilds.list("extra", 10, None)).items
    assert sorted(it.state for it in found) == [RebuildState.MERGED, RebuildState.PUBLISHED]
    assert works.roots["app"][:2] in (["extra~1", "extra~2"], ["extra~2", "extra~1"])


async def test_libraries_that_link_to_each_other_are_both_built_with_the_new_one_in_the_end(
    works: Works,
) -> None:
    works.made |= {"left": ("libleft.so.1", "libright.so.1"), "right": ("libright.so.1", "libleft.so.1")}
    await works.published("left", "right")
    # Whichever comes first still finds the other's old library.
    works.made |= {"right": ("libright.so.2", "libleft.so.2"), "left": ("libleft.so.2", "libright.so.1")}
    works.later["left"] = ("libleft.so.2", "libright.so.2")
    await works.farm.rebuilds.request(RebuildRequest(packages=("left", "right")), "anna")
    assert await works.build() == ["left", "right", "left"]
    assert (await works.rebuild()).state is RebuildState.PUBLISHED


async def test_what_links_to_the_old_library_however_often_it_is_built_does_not_hold_up_the_others(
    works: Works,
) -> None:
    works.made["tool"] = ("", "liblib.so.1")  # from somewhere else, so to say
    await works.raised("lib", "liblib.so.2")
    assert await works.build() == ["lib", "app", "tool", "tool"]
    assert (await works.rebuild()).state is RebuildState.PUBLISHED
    assert (await works.listed())["lib"] == "2-1"
    assert await works.build() == []


async def test_what_policy_gives_no_new_release_and_comes_out_the_same_is_left_out_in_the_end(
    works: Works,
) -> None:
    await works.press.repositories.change("extra", RepositoryChange(bump=Bump.NONE))
    works.made |= {"app": ("", "liblib.so.1"), "tool": ("", "liblib.so.1")}
    await works.raised("lib", "liblib.so.2")
    assert await works.build() == ["lib", "app", "tool"]
    assert (await works.rebuild()).state is RebuildState.PUBLISHED
    assert (await works.listed())["lib"] == "2-1"


async def test_what_a_rebuild_has_built_and_not_published_yet_begins_no_second_one(works: Works) -> None:
    first = await works.farm.rebuilds.request(RebuildRequest(packages=("app", "tool")), "anna")
    await works.build(broken="tool")
    app = (await works.rebuild()).builds[0]
    again = await works.farm.rebuilds.request(RebuildRequest(packages=("app",)), "anna")
    assert (again.builds, again.joined, again.built, again.rebuild) == ((), (), (app.build,), None)
    assert [it.id for it in (await works.farm.rebuilds.list(None, 10, None)).items] == [first.rebuild]


async def test_what_nobody_can_build_is_cancelled_to_publish_the_rest(works: Works) -> None:
    await works.farm.rebuilds.request(RebuildRequest(packages=("app", "tool")), "anna")
    number = (await works.rebuild()).id
    await works.deliver(await works.farm.claimed())
    await works.settle()
    with pytest.raises(Conflict, match=r"still being built; cancel what is not worth the wait\. .* tool"):
        await works.farm.rebuilds.publish(number)
    (tool,) = (it.build for it in (await works.rebuild()).builds if it.pkgbase == "tool")
    await works.farm.builds.cancel(tool, "anna")
    await works.farm.rebuilds.publish(number)
    await works.settle()
    assert await works.listed() == {"lib": "1-1", "app": "1-1.1", "tool": "1-1"}


async def test_where_policy_suggests_the_library_is_visible_at_once_and_an_event_tells_of_the_others(
    works: Works,
) -> None:
    await works.press.repositories.change("extra", RepositoryChange(rebuilds=Rebuilds.SUGGEST))
    await works.raised("lib", "liblib.so.2")
    assert await works.build() == ["lib"]
    assert (await works.listed())["lib"] == "2-1"
    found = await works.farm.rebuilds.suggested("extra")
    assert [(it.pkgbase, it.library, it.successor) for it in found] == [
        ("app", "liblib.so.1", "liblib.so.2"),
        ("tool", "liblib.so.1", "liblib.so.2"),
    ]
    told = await works.farm.database.read(events.after, 0, 1000)
    assert [it.data["pkgbase"] for it in told if it.kind == "rebuild.suggested"] == ["app", "tool"]
    await works.farm.rebuilds.request(RebuildRequest(suggested=True, together=False), "anna")
    await works.build()
    assert await works.farm.rebuilds.suggested("extra") == ()
    assert (await works.farm.rebuilds.list(None, 10, None)).items == ()


async def test_a_lost_library_is_kept_in_mind_for_as_long_as_something_links_to_it_and_a_week(
    works: Works,
) -> None:
    history = works.farm.history
    works.made |= {"app": ("", "liblib.so.2"), "tool": ("", "liblib.so.1")}
    await works.press.repositories.change("extra", RepositoryChange(rebuilds=Rebuilds.SUGGEST))
    await works.raised("lib", "liblib.so.2")
    await works.build()
    for pkgbase, left in (("app", 1), ("tool", 1)):
        works.farm.clock.turn(8 * 24 * 3600)
        await history.clean(dry_run=False)
        assert await rows(works.farm.database, lost_libraries) == left, pkgbase
        await works.farm.rebuilds.request(RebuildRequest(packages=(pkgbase,), together=False), "anna")
        works.made["tool"] = ("", "liblib.so.2")
        await works.build()
    await history.clean(dry_run=True)
    assert await rows(works.farm.database, lost_libraries) == 1
    await history.clean(dry_run=False)
    assert await rows(works.farm.database, lost_libraries) == 0


async def test_a_lost_library_that_is_back_is_forgotten_after_a_week(works: Works) -> None:
    await works.press.repositories.change("extra", RepositoryChange(rebuilds=Rebuilds.SUGGEST))
    await works.press.upload(package("lib", "3-1", "liblib.so.2", ""), "extra")
    await works.press.upload(package("compat", "1-1", "liblib.so.1", ""), "extra")
    for days, left in ((6, 1), (2, 0)):
        works.farm.clock.turn(days * 24 * 3600)
        await works.farm.history.clean(dry_run=False)
        assert await rows(works.farm.database, lost_libraries) == left


async def test_where_policy_is_off_nothing_is_said(works: Works) -> None:
    await works.press.repositories.change("extra", RepositoryChange(rebuilds=Rebuilds.OFF))
    await works.raised("lib", "liblib.so.2")
    assert await works.build() == ["lib"]
    assert await works.farm.rebuilds.suggested("extra") == ()


async def test_a_library_that_a_person_uploads_is_visible_and_the_rest_is_built_again_by_itself(
    works: Works,
) -> None:
    await works.press.upload(package("lib", "3-1", "liblib.so.2", ""), "extra")
    assert await works.build() == ["app", "tool"]
    assert await works.listed() == {"lib": "3-1", "app": "1-1.1", "tool": "1-1.1"}


async def test_a_rebuild_of_nothing_is_refused_in_words(works: Works) -> None:
    with pytest.raises(Invalid, match="Name packages to build again"):
        await works.farm.rebuilds.request(RebuildRequest(), "anna")
    with pytest.raises(NotFound, match="Nothing in extra links to libnone"):
        await works.farm.rebuilds.request(RebuildRequest(depends_on=("libnone.so",)), "anna")
    with pytest.raises(NotFound, match="No source has a recipe named nobody"):
        await works.farm.rebuilds.request(RebuildRequest(packages=("nobody",)), "anna")


@pytest.mark.parametrize("library", ["lib", "liblib.so", "liblib.so.1", "liblib.so=1-64"])
async def test_what_depends_on_a_library_is_found_by_package_and_by_soname(
    works: Works, library: str
) -> None:
    (plan,) = await works.farm.rebuilds.plan(RebuildRequest(depends_on=(library,)))
    assert [build.pkgbase for build in plan.builds] == ["app", "tool"]


async def test_an_older_version_is_built_and_published_if_a_person_allows_it(works: Works) -> None:
    await works.raised("tool", "", "liblib.so.1")
    await works.build()
    await works.farm.have(recipe("tool", version="1-5", fingerprint="f3"))
    for allowed in (False, True):
        request = BuildRequest(packages=("tool",), force=True, allow_downgrade=allowed)
        await works.farm.requests.request(request, "anna")
        await works.build()
        assert (await works.listed())["tool"] == ("1-5" if allowed else "2-1")
