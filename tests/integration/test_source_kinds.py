"""The kinds of sources, with a real git, a real svnserve and a server that speaks the AUR's formats."""

import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from quarters.model.errors import Invalid
from quarters.protocol.resources import NewSource, SourceChange
from tests.aur import LocalAur, local_aur
from tests.following import ADA, BOB, Followed, Git, following


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path / "recipes")


@pytest.fixture
async def followed(tmp_path: Path) -> AsyncIterator[Followed]:
    async with following(tmp_path) as followed:
        yield followed


@pytest.fixture
async def aur(tmp_path: Path) -> AsyncIterator[LocalAur]:
    async with local_aur(tmp_path / "aur") as aur:
        yield aur


async def versions(followed: Followed) -> dict[str, str]:
    """What is known, by pkgbase."""
    found = await followed.recipes()
    return {base: view.recipe.version if view.recipe else view.problem for base, view in found.items()}


async def test_a_git_repository_that_is_a_recipe_is_one(git: Git, followed: Followed) -> None:
    git.write(".", "1.0-1", "hello")
    git.commit(BOB)
    await followed.add(git.folder, kind="git")
    (view,) = (await followed.recipes()).values()
    assert (view.pkgbase, view.origin.path, view.origin.author) == ("hello", "tree", BOB)
    archive = await followed.service.recipe_archive("tree", view.origin.revision, view.origin.path)
    assert b"pkgname=hello" in archive


async def test_a_folder_on_a_branch_of_a_git_repository_is_one_recipe(git: Git, followed: Followed) -> None:
    git.write("packaging", "1.0-1", "hello")
    git.write("other")
    git.commit(ADA)
    git("switch", "--quiet", "--create", "next")
    git.write("packaging", "2.0-1", "hello")
    git.commit(BOB)
    git.write("other", "9-9")
    git.commit(ADA)
    await followed.add(git.folder, branch="next", kind="git", path="packaging")
    assert await versions(followed) == {"hello": "2.0-1"}
    assert (await followed.recipes())["hello"].origin.author == BOB


async def test_a_change_elsewhere_in_the_git_repository_is_no_news(git: Git, followed: Followed) -> None:
    git.write("packaging", "1.0-1", "hello")
    git.commit()
    first = await followed.add(git.folder, kind="git", path="packaging")
    git.write("other", "9-9")
    git.commit()
    assert (await followed.sync()).revision == first.revision
    git.write("packaging", "1.1-1", "hello")
    git.commit()
    assert (await followed.sync()).revision != first.revision
    assert await versions(followed) == {"hello": "1.1-1"}


async def test_a_missing_folder_of_a_git_repository_is_named(git: Git, followed: Followed) -> None:
    git.write("packaging")
    git.commit()
    source = await followed.add(git.folder, kind="git", path="package")
    assert source.problem == "The repository has no folder 'package'."
    await followed.service.change("tree", SourceChange(path="packaging"))
    await followed.until(lambda source: not source.problem)
    assert await versions(followed) == {"packaging": "1.0-1"}


@asynccontextmanager
async def pkgbuild_server(text: list[str], asked: list[int]) -> AsyncIterator[str]:
    """Serves `text[0]` as a PKGBUILD that clients may keep; `asked` gets the status of every answer."""

    async def answer(request: web.Request) -> web.Response:
        if not text[0]:
            asked.append(404)
            return web.Response(status=404)
        etag = f'"{hash(text[0])}"'
        status = 304 if request.headers.get("If-None-Match") == etag else 200
        asked.append(status)
        return web.Response(status=status, text=text[0] if status == 200 else None, headers={"ETag": etag})

    app = web.Application()
    app.router.add_get("/PKGBUILD", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/PKGBUILD"
    finally:
        await runner.cleanup()


async def test_a_pkgbuild_by_url_is_read_again_only_when_it_changed(followed: Followed) -> None:
    text = ["pkgname=hello\npkgver=1.0\npkgrel=1\narch=(any)\npackage() { :; }\n"]
    asked: list[int] = []
    async with pkgbuild_server(text, asked) as url:
        await followed.add(url, kind="url")
        assert await versions(followed) == {"hello": "1.0-1"}
        await followed.sync()
        text[0] = text[0].replace("1.0", "2.0")
        await followed.sync()
        assert asked == [200, 304, 200]
        assert await versions(followed) == {"hello": "2.0-1"}
        text[0] = ""
        source = await followed.sync()
    assert source.problem.endswith("answers 404 Not Found.")
    assert await versions(followed) == {"hello": "2.0-1"}


class Svn:
    """A Subversion repository, served by svnserve, and a working copy of it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder / "copy"
        self.url = f"svn://127.0.0.1:{port}/repository/packages"
        self("checkout", "--quiet", f"svn://127.0.0.1:{port}/repository", str(self.folder), cwd=folder)
        (self.folder / "packages").mkdir()
        self.commit("ada")

    def log(self) -> str:
        """Everything that the server was asked for."""
        return (self.folder.parent / "log").read_text()

    def __call__(self, *arguments: str, cwd: Path | None = None) -> None:
        subprocess.run(["svn", *arguments], cwd=cwd or self.folder, check=True, capture_output=True)

    def commit(self, user: str) -> None:
        """Commit everything that is there."""
        self("add", "--quiet", "--force", ".")
        self("commit", "--quiet", "--message=Change", f"--username={user}", "--password=secret")

    def write(self, folder: str, version: str, pkgbase: str) -> None:
        """A recipe in a folder of the tree."""
        (self.folder / "packages" / folder).mkdir(parents=True, exist_ok=True)
        Git.of(self.folder / "packages").write(folder, version, pkgbase)


@pytest.fixture
def svn(tmp_path: Path) -> Iterator[Svn]:
    room = tmp_path / "svn"
    room.mkdir()
    subprocess.run(["svnadmin", "create", str(room / "repository")], check=True)
    (room / "repository" / "conf" / "svnserve.conf").write_text(
        "[general]\nanon-access = read\nauth-access = write\npassword-db = passwd\n"
    )
    (room / "repository" / "conf" / "passwd").write_text("[users]\nada = secret\nbob = secret\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = ["svnserve", "--daemon", "--foreground", f"--listen-port={port}", "--listen-host=127.0.0.1"]
    process = subprocess.Popen([*serve, f"--root={room}", f"--log-file={room / 'log'}"])
    try:
        _listens(port)
        yield Svn(room, port)
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> None:
    """Until something does: a refused connection returns at once, an accepted one ends the wait."""
    while True:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return


async def test_a_plain_subversion_tree_and_archs_layout_are_read(svn: Svn, followed: Followed) -> None:
    svn.write("plain", "1-1", "plain")
    svn.write("arch/trunk", "2-1", "arch")
    svn.write("arch/repos/extra-x86_64", "1-1", "arch")
    svn.write("deep/other/trunk", "3-1", "deep")
    svn.commit("bob")
    source = await followed.add(svn.url, kind="svn")
    assert (source.problem, await versions(followed)) == ("", {"plain": "1-1", "arch": "2-1"})
    assert (await followed.recipes())["arch"].origin.author == "bob <bob@127.0.0.1>"
    await followed.service.change("tree", SourceChange(path="repos/extra-x86_64"))
    await followed.until(lambda source: not source.pending)
    assert await versions(followed) == {"arch": "1-1"}


async def test_only_what_a_subversion_revision_changed_is_read_again(svn: Svn, followed: Followed) -> None:
    for name in ("one", "two", "three"):
        svn.write(f"{name}/trunk", "1-1", name)
    svn.commit("ada")
    first = await followed.add(svn.url, kind="svn")
    before = await followed.recipes()
    assert (await followed.sync()).revision == first.revision
    svn.write("two/trunk", "2-1", "two")
    svn.commit("bob")
    svn("delete", "--quiet", "packages/three")
    svn.commit("bob")
    asked = len(svn.log())
    await followed.sync()
    assert "packages/two" in svn.log()[asked:]
    assert "packages/one" not in svn.log()[asked:]
    after = await followed.recipes()
    assert await versions(followed) == {"one": "1-1", "two": "2-1"}
    assert after["one"] == before["one"]
    assert after["two"].origin.author == "bob <bob@127.0.0.1>"


async def test_an_unreachable_subversion_server_says_so(followed: Followed) -> None:
    source = await followed.add("svn://127.0.0.1:9/nowhere", kind="svn")
    assert source.problem.startswith("svn says: svn: E")


async def test_named_aur_packages_are_followed_with_one_question(aur: LocalAur, followed: Followed) -> None:
    for name in ("hello", "world", "other"):
        aur.push(name)
    source = await followed.add(aur.url, kind="aur", packages=("hello", "world"))
    assert (source.problem, await versions(followed)) == ("", {"hello": "1.0-1", "world": "1.0-1"})
    assert (await followed.recipes())["hello"].origin.author == ADA
    aur.asked.clear()
    await followed.sync()
    assert aur.asked == ["info"]
    aur.push("world", "2.0-1")
    aur.asked.clear()
    await followed.sync()
    assert {"info", "git world"} == set(aur.asked)
    assert await versions(followed) == {"hello": "1.0-1", "world": "2.0-1"}


async def test_a_split_aur_package_is_fetched_by_its_base(aur: LocalAur, followed: Followed) -> None:
    aur.push("base")
    aur.packages["part"] = aur.packages["base"] | {"Name": "part"}
    await followed.add(aur.url, kind="aur", packages=("part",))
    assert await versions(followed) == {"base": "1.0-1"}


async def test_what_leaves_the_aur_stays_as_it_was_and_is_named(aur: LocalAur, followed: Followed) -> None:
    aur.push("hello")
    aur.push("gone")
    await followed.add(aur.url, kind="aur", packages=("gone", "hello"))
    del aur.packages["gone"]
    aur.push("hello", "2.0-1")
    source = await followed.sync()
    assert source.problem == "gone is not in the AUR."
    assert await versions(followed) == {"hello": "2.0-1", "gone": "1.0-1"}
    await followed.service.change("tree", SourceChange(packages=("hello",)))
    await followed.until(lambda source: not source.problem and not source.pending)
    assert await versions(followed) == {"hello": "2.0-1"}


async def test_one_aur_repository_that_cannot_be_fetched_keeps_no_other_back(
    aur: LocalAur, followed: Followed
) -> None:
    aur.push("hello")
    aur.packages["broken"] = aur.packages["hello"] | {"Name": "broken", "PackageBase": "broken"}
    source = await followed.add(aur.url, kind="aur", packages=("broken", "hello"))
    assert source.problem.startswith("broken: git says: fatal: ")
    assert await versions(followed) == {"hello": "1.0-1"}


@pytest.mark.parametrize(
    ("kind", "location", "more", "sentence"),
    [
        ("url", "ftp://host/PKGBUILD", {}, "no URL that begins with https:// or http://"),
        ("url", "/etc/passwd", {}, "no URL"),
        ("url", "https://host/PKGBUILD", {"branch": "main"}, "has no branch"),
        ("svn", "svn+ssh://-oProxyCommand=x/y", {}, "no URL"),
        ("svn", "https://host/tree", {"path": "../up"}, "not the path of a folder"),
        ("git", "ext::sh -c x", {}, "remote helper"),
        ("git", "https://host/x.git", {"path": "/abs"}, "not the path of a folder"),
        ("git", "https://host/x.git", {"packages": ("a",)}, "has no packages"),
        ("aur", "https://host", {"packages": ("../x",)}, "package name"),
        ("tree", "https://host/x.git", {"path": "sub"}, "has no path"),
    ],
)
async def test_what_a_kind_cannot_follow_is_refused(
    followed: Followed, kind: str, location: str, more: dict[str, object], sentence: str
) -> None:
    with pytest.raises(Invalid, match=sentence):
        await followed.service.add(
            NewSource(name="x", location=location, repository="main", kind=kind, **more)  # type: ignore[arg-type]
        )
