"""Packages of a tree put, dropped and bumped through the server: a pushed commit each."""

import asyncio
import io
import subprocess
import tarfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from quarters.model.errors import Conflict, Invalid, NotFound
from quarters.model.updates import Updates
from quarters.protocol.resources import NewSource
from quarters.protocol.tending import Tending
from quarters.storage import sources
from quarters.storage.wakeups import Topic
from tests.following import Git
from tests.person import Person
from tests.serving import Running, running

RECIPE = b"pkgname=new\npkgver=1\npkgrel=1\narch=('any')\n"


class Tree:
    """A repository that everybody pushes to, a clone of somebody, and the server that follows it."""

    def __init__(self, server: Running, bare: Path, clone: Git) -> None:
        self.server = server
        self.bare = bare
        self.clone = clone

    def show(self, what: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.bare), "show", what], check=True, capture_output=True, text=True
        )
        return done.stdout

    def log(self) -> list[str]:
        return self.clone_of("log", "--format=%s", "main").split("\n")

    def clone_of(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.bare), *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    async def has(self, *pkgbases: str) -> None:
        """Wait until the server knows these recipes and no others."""
        wakeups = self.server.services.wakeups
        async with asyncio.timeout(90):
            while True:
                mark = wakeups.mark(Topic.EVENTS)
                page = await self.server.admin.recipes.list()
                if sorted(it.pkgbase for it in page.items) == sorted(pkgbases):
                    return
                await wakeups.wait(Topic.EVENTS, mark, 1)


@pytest.fixture
async def tree(tmp_path: Path) -> AsyncIterator[Tree]:
    bare = tmp_path / "tree.git"
    git = Git(tmp_path / "clone")
    git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    for name in ("hello", "other", "third"):
        git.write(name)
    (git.folder / "other" / "quarters.toml").write_text('# ours\npriority = 3\nbump = "1.0-1"\n')
    (git.folder / "third" / ".CI").mkdir()
    (git.folder / "third" / ".CI" / "config").write_text("# kept\nCI_PACKAGE_BUMP=0.9-1/7\nODD=1\n")
    git.commit()
    git("push", "--quiet", str(bare), "main")
    async with running(tmp_path) as server:
        following = asyncio.create_task(server.services.sources.run())
        await server.admin.sources.create(NewSource(name="tree", location=str(bare), repository="own"))
        await server.services.database.write(
            lambda connection: sources.change(connection, "tree", updates=Updates(push=str(bare)))
        )
        found = Tree(server, bare, git)
        await found.has("hello", "other", "third")
        yield found
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


def archive(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return out.getvalue()


async def test_a_package_is_added_and_replaced(tree: Tree) -> None:
    done = await tree.server.admin.sources.put_package("tree", "new", archive(PKGBUILD=RECIPE, a=b"x"))
    assert tree.clone_of("rev-parse", "main") == done.commit
    assert tree.show("main:new/a") == "x"
    await tree.has("hello", "new", "other", "third")
    await tree.server.admin.sources.put_package("tree", "new", archive(PKGBUILD=RECIPE), "without a")
    assert tree.clone_of("ls-tree", "--name-only", "main:new") == "PKGBUILD"
    assert tree.log()[:2] == ["without a", "Add new"]
    assert "Requested-by: admin" in tree.clone_of("log", "-1", "--format=%b", "main")
    again = await tree.server.admin.sources.put_package("tree", "new", archive(PKGBUILD=RECIPE))
    assert (again.commit, len(tree.log())) == ("", 3)


async def test_what_is_no_recipe_is_not_put(tree: Tree) -> None:
    for body, words in (
        (b"", "no tar archive"),
        (b"x" * 2000, "no tar archive"),
        (archive(a=b""), "PKGBUILD"),
    ):
        with pytest.raises(Invalid, match=words):
            await tree.server.admin.sources.put_package("tree", "new", body)


async def test_packages_are_dropped_with_a_commit_each(tree: Tree) -> None:
    with pytest.raises(NotFound, match="no folder 'nothing'"):
        await tree.server.admin.sources.drop_packages("tree", Tending(packages=("hello", "nothing")))
    await tree.server.admin.sources.drop_packages("tree", Tending(packages=("hello", "other")))
    await tree.has("third")
    assert tree.log()[:2] == ["Drop other", "Drop hello"]


async def test_a_bump_is_written_where_the_folder_says_such_things(tree: Tree) -> None:
    wish = Tending(packages=("hello", "other", "third"))
    await tree.server.admin.sources.bump_packages("tree", wish)
    assert tree.show("main:hello/quarters.toml") == 'bump = "1.0-1/1"\n'
    assert tree.show("main:other/quarters.toml") == '# ours\npriority = 3\nbump = "1.0-1/2"\n'
    # Its bump was of another version, and has lapsed.
    assert tree.show("main:third/.CI/config") == "# kept\nCI_PACKAGE_BUMP=1.0-1/1\nODD=1\n"
    assert tree.log()[0] == "Bump third to 1.0-1/1"


async def test_what_people_pushed_meanwhile_stays(tree: Tree) -> None:
    tree.clone.write("fresh")
    tree.clone.commit()
    tree.clone("push", "--quiet", str(tree.bare), "main")
    await tree.server.admin.sources.drop_packages("tree", Tending(packages=("hello",)))
    assert tree.clone_of("ls-tree", "--name-only", "main").split() == ["fresh", "other", "third"]


async def test_a_source_that_cannot_be_changed_says_so(tree: Tree) -> None:
    await tree.server.admin.sources.create(
        NewSource(name="mute", location=str(tree.bare), repository="own", automatic=False)
    )
    with pytest.raises(Conflict, match="pushed"):
        await tree.server.admin.sources.drop_packages("mute", Tending(packages=("hello",)))
    await tree.server.admin.sources.create(
        NewSource(name="single", location=str(tree.bare), repository="own", kind="git", path="hello")
    )
    with pytest.raises(Invalid, match="only a tree"):
        await tree.server.admin.sources.drop_packages("single", Tending(packages=("hello",)))


async def test_the_command_line_puts_drops_and_bumps(tree: Tree, tmp_path: Path) -> None:
    person = Person(tree.server, "source")
    folder = tmp_path / "mine"
    folder.mkdir()
    assert "has no PKGBUILD" in await person.run("put", "tree", str(folder), code=1)
    (folder / "PKGBUILD").write_bytes(RECIPE)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("x")
    said = await person.run("put", "tree", str(folder), "new")
    assert said.startswith("new: commit ")
    assert tree.clone_of("ls-tree", "--name-only", "main:new") == "PKGBUILD"
    assert await person.run("put", "tree", str(folder), "new") == "new is like that already.\n"
    (bumped,) = await person.json("bump", "tree", "hello")
    assert bumped["package"] == "hello"
    assert (await person.run("drop", "tree", "hello", "--message", "gone")).startswith("hello: commit ")
    assert tree.log()[0] == "gone"
    assert "Name at least one folder" in await person.run("bump", "tree", code=1)
