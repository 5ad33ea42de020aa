"""A git tree of recipes followed with the real git and the real database."""

import io
import tarfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from quarters.model.errors import Conflict, Invalid, NotFound
from quarters.protocol.resources import NewSource, SourceChange
from quarters.storage import events, requests
from tests.following import ADA, BOB, Followed, Git, following


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path / "recipes")


@pytest.fixture
async def followed(tmp_path: Path) -> AsyncIterator[Followed]:
    async with following(tmp_path) as followed:
        yield followed


async def test_every_top_level_folder_with_a_pkgbuild_is_a_recipe(git: Git, followed: Followed) -> None:
    git.write("hello")
    git.write("some-folder", "2-4", pkgbase="other-name")
    (git.folder / "docs").mkdir()
    (git.folder / "docs" / "README").write_text("no recipe")
    git.write("docs/nested")
    (git.folder / "PKGBUILD").write_text("not in a folder")
    revision = git.commit()
    source = await followed.add(git.folder)
    recipes = await followed.recipes()
    assert (source.problem, source.revision, source.recipes, source.unreadable) == ("", revision, 2, 0)
    assert {base: view.origin.path for base, view in recipes.items()} == {
        "hello": "hello",
        "other-name": "some-folder",
    }
    assert recipes["hello"].origin.fingerprint == git("rev-parse", "HEAD:hello")
    assert recipes["other-name"].recipe is not None
    assert recipes["other-name"].recipe.version == "2-4"


async def test_the_author_of_the_last_commit_that_touched_the_folder_is_carried(
    git: Git, followed: Followed
) -> None:
    git.write("first")
    git.write("second")
    git.commit(ADA)
    git.write("second", "1.0-2")
    git.commit(BOB)
    await followed.add(git.folder)
    assert {base: view.origin.author for base, view in (await followed.recipes()).items()} == {
        "first": ADA,
        "second": BOB,
    }
    git.write("first", "2-1")
    git.commit(BOB)
    (git.folder / "README").write_text("about")
    git.commit(ADA)
    await followed.sync()
    assert (await followed.recipes())["first"].origin.author == BOB


async def test_a_sync_without_news_changes_nothing(git: Git, followed: Followed) -> None:
    git.write("hello")
    git.commit()
    await followed.add(git.folder)
    before, generation = await followed.recipes(), await followed.generation()
    (git.folder / "README").write_text("no recipe")
    git.commit()
    source = await followed.sync()
    assert source.revision == git("rev-parse", "HEAD")
    assert (await followed.recipes(), await followed.generation()) == (before, generation)


async def test_only_what_changed_is_told(git: Git, followed: Followed) -> None:
    for name in ("one", "three", "two"):
        git.write(name)
    git.commit()
    await followed.add(git.folder)
    last = await followed.database.read(events.newest)
    generation = await followed.generation()
    git.write("two", "2-1")
    git("rm", "-rq", "three")
    git.commit()
    await followed.sync()
    assert await followed.kinds_of_events(last) == [
        ("source.synced", "tree"),
        ("recipe.changed", "two"),
        ("recipe.withdrawn", "three"),
    ]
    assert set(await followed.recipes()) == {"one", "two"}
    assert await followed.generation() == generation + 1


async def test_what_a_tree_says_about_all_of_its_recipes_holds_where_they_say_nothing(
    git: Git, followed: Followed
) -> None:
    git.write("plain")
    git.write("heavy")
    (git.folder / "heavy" / "quarters.toml").write_text("class = 9\nskip_code = 7\n")
    git.commit()
    await followed.add(git.folder)
    for said, plain in (
        ("CI_DEFAULT_CLASS=5\nCI_CODE_SKIP=99\n", (5, "", 99)),
        ("CI_DEFAULT_CLASS=anvil # the strong one\n", (0, "anvil", 123)),
        ("", (0, "", 123)),
    ):
        (git.folder / ".ci").mkdir(exist_ok=True)
        (git.folder / ".ci" / "config").write_text(f"# of the whole tree\n{said}")
        git.commit()
        await followed.sync()
        found = {base: view.recipe for base, view in (await followed.recipes()).items()}
        wanted = {base: it.configuration for base, it in found.items() if it is not None}
        assert (wanted["plain"].build_class, wanted["plain"].builder, wanted["plain"].skip_code) == plain
        assert (wanted["heavy"].build_class, wanted["heavy"].skip_code) == (9, 7)


async def test_a_renamed_folder_keeps_its_recipe(git: Git, followed: Followed) -> None:
    git.write("old", pkgbase="thing")
    git.commit()
    await followed.add(git.folder)
    git("mv", "old", "new")
    git.commit(BOB)
    await followed.sync()
    (view,) = (await followed.recipes()).values()
    assert (view.pkgbase, view.origin.path, view.origin.author) == ("thing", "new", BOB)


async def test_a_forced_push_is_followed_and_the_old_revision_can_still_be_built(
    git: Git, followed: Followed
) -> None:
    git.write("hello", "1-1")
    kept = git.commit()
    git.write("hello", "2-1")
    git.write("gone")
    old = git.commit(BOB)
    await followed.add(git.folder)
    git("reset", "--quiet", "--hard", kept)
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "--quiet", "--prune=now")
    await followed.sync()
    (view,) = (await followed.recipes()).values()
    assert view.recipe is not None
    assert (view.recipe.version, view.origin.author) == ("1-1", ADA)
    archive = await followed.service.recipe_archive("tree", old, "hello")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        pkgbuild = tar.extractfile("PKGBUILD")
        assert pkgbuild is not None
        assert b"pkgver=2\n" in pkgbuild.read()


async def test_a_source_says_what_of_it_cannot_be_built(git: Git, followed: Followed) -> None:
    git.write("hello")
    git.commit()
    source = await followed.add(git.folder)
    problem = "Nothing satisfies moon: hello -> moon (depends)."

    def plan(connection: Connection) -> None:
        now = datetime.now(UTC)
        asked = requests.add(connection, source.repository, "", requests.by_source(source.name), (), now)
        requests.set_problems(connection, asked, [problem], now)

    assert source.unplanned == ()
    await followed.database.write(plan)
    assert (await followed.service.show(source.name)).unplanned == (problem,)


async def test_two_folders_with_one_pkgbase_are_a_problem_that_names_both(
    git: Git, followed: Followed
) -> None:
    git.write("aaa", "9-1", pkgbase="same")
    git.write("same", "1-1")
    git.commit()
    await followed.add(git.folder)
    recipes = await followed.recipes()
    assert recipes["same"].origin.path == "same"
    assert recipes["aaa"].recipe is None
    assert recipes["aaa"].problem == "The folders 'aaa', 'same' all hold 'same'; 'same' is used."
    generation = await followed.generation()
    git.write("unrelated")
    git.commit()
    await followed.sync()
    git("rm", "-rq", "same")
    git.commit()
    await followed.sync()
    recipes = await followed.recipes()
    assert {base: view.origin.path for base, view in recipes.items()} == {
        "same": "aaa",
        "unrelated": "unrelated",
    }
    assert await followed.generation() == generation + 2


async def test_recipes_whose_hooks_rename_them_are_known_by_the_names_that_they_will_have(
    git: Git, followed: Followed
) -> None:
    """As in real trees, where several folders hold one upstream's recipe, each with hooks of its own."""
    for folder in ("linux-v2", "linux-v3"):
        git.write(folder, "7.1-1", "linux")
        (git.folder / folder / ".CI").mkdir()
        prepare = f"sed -i 's/^pkgname=linux/pkgname={folder}/' PKGBUILD\n"
        (git.folder / folder / ".CI" / "prepare").write_text(prepare)
    git.write("glib", "2.0-1")
    (git.folder / "glib" / ".CI").mkdir()
    (git.folder / "glib" / ".CI" / "PKGBUILD.append").write_text(
        "pkgname=(glib glib-docs)\nunset -f package\npackage_glib() { :; }\npackage_glib-docs() { :; }\n"
    )
    git.write("plain", "1.0-1")
    (git.folder / "plain" / ".CI").mkdir()
    (git.folder / "plain" / ".CI" / "prepare").write_text("echo no name is set here\n")
    git.commit()
    await followed.add(git.folder)
    found = await followed.recipes()
    assert set(found) == {"glib", "linux-v2", "linux-v3", "plain"}
    assert all(view.recipe for view in found.values())
    glib = found["glib"].recipe
    assert glib is not None
    assert [it.name for it in glib.outputs] == ["glib", "glib-docs"]


async def test_hooks_that_leave_no_recipe_are_a_problem_that_names_them(git: Git, followed: Followed) -> None:
    git.write("linux-v3", "7.1-1", "linux")
    (git.folder / "linux-v3" / ".CI").mkdir()
    (git.folder / "linux-v3" / ".CI" / "PKGBUILD.append").write_text("pkgname='not a name'\n")
    git.commit()
    await followed.add(git.folder)
    assert (await followed.recipes())["linux-v3"].problem.startswith("With its hooks: ")


async def test_a_broken_recipe_keeps_its_pkgbase_and_says_what_is_wrong(git: Git, followed: Followed) -> None:
    git.write("folder", pkgbase="thing")
    git.commit()
    await followed.add(git.folder)
    (git.folder / "folder" / "PKGBUILD").write_text("pkgname=thing\npkgver=2\nif then\n")
    git.commit()
    source = await followed.sync()
    (view,) = (await followed.recipes()).values()
    assert (view.pkgbase, view.recipe) == ("thing", None)
    assert view.problem == "PKGBUILD, line 3: syntax error near unexpected token `then'."
    assert (source.problem, source.unreadable) == ("", 1)


async def test_missing_stale_and_garbled_metadata_is_replaced_by_what_makepkg_says(
    git: Git, followed: Followed
) -> None:
    for name in ("missing", "stale", "garbled", "current"):
        git.write(name, "5-1")
    (git.folder / "missing" / ".SRCINFO").unlink()
    (git.folder / "garbled" / ".SRCINFO").write_bytes(b"\xff\x00 what?\n")
    stale = git.folder / "stale" / "PKGBUILD"
    stale.write_text(stale.read_text().replace("pkgver=5", "pkgver=6"))
    # Never evaluated, so that it may say what it likes: bash would not agree.
    current = git.folder / "current" / "PKGBUILD"
    current.write_text(current.read_text() + "exit 1\n")
    git.commit()
    await followed.add(git.folder)
    versions = {
        base: view.recipe and view.recipe.version for base, view in (await followed.recipes()).items()
    }
    assert versions == {"missing": "5-1", "stale": "6-1", "garbled": "5-1", "current": "5-1"}


async def test_links_and_huge_files_are_problems_of_their_recipe_alone(git: Git, followed: Followed) -> None:
    for name in ("fine", "linked", "linked-metadata", "huge"):
        git.write(name)
    for name in ("linked/PKGBUILD", "linked-metadata/.SRCINFO"):
        (git.folder / name).unlink()
        (git.folder / name).symlink_to("/etc/passwd")
    (git.folder / "huge" / "PKGBUILD").write_text("#" * (1 << 20) + "\n")
    git.commit()
    await followed.add(git.folder)
    problems = {base: view.problem for base, view in (await followed.recipes()).items()}
    assert problems == {
        "fine": "",
        "linked": "PKGBUILD is a symbolic link; it must be a plain file.",
        "linked-metadata": ".SRCINFO is a symbolic link; it must be a plain file.",
        "huge": "PKGBUILD is too large: 1048577 bytes.",
    }


async def test_odd_folder_names_break_nothing(git: Git, followed: Followed) -> None:
    for name in ("-option", "with space", "zoë", 'quo"te', "line\nbreak"):
        git.write(name, pkgbase=f"p{len(name)}")
    (git.folder / "fine").mkdir()
    git.commit()
    await followed.add(git.folder)
    by_path = {view.origin.path: view for view in (await followed.recipes()).values()}
    assert {path for path, view in by_path.items() if view.recipe} == {"-option", "with space", "zoë"}
    assert {path for path, view in by_path.items() if view.problem} == {'quo"te', "line\nbreak"}
    assert by_path["zoë"].origin.author == ADA


async def test_a_small_repository_that_stands_for_endless_files_is_a_problem_of_one_recipe(
    git: Git, followed: Followed
) -> None:
    (git.folder / "bomb").mkdir()
    (git.folder / "bomb" / "PKGBUILD").write_text("pkgname=bomb\n")
    with (git.folder / "bomb" / "zeros").open("wb") as file:
        file.truncate(200 << 20)
    git.write("fine")
    git.commit()
    await followed.add(git.folder)
    recipes = await followed.recipes()
    assert recipes["bomb"].problem == "The recipe's folder has more than 128 MiB, too much to hand it on."
    assert recipes["fine"].recipe is not None


async def test_an_endless_author_is_nobody_and_holds_nothing_up(git: Git, followed: Followed) -> None:
    git.write("hello")
    git.commit()
    raw = git("cat-file", "commit", "HEAD").replace("author Ada", "author " + "A" * (2 << 20))
    (git.folder / "commit").write_text(raw)
    git("update-ref", "HEAD", git("hash-object", "-t", "commit", "-w", "commit"))
    source = await followed.add(git.folder)
    assert source.problem == ""
    assert (await followed.recipes())["hello"].origin.author == ""


@pytest.mark.parametrize(
    ("branch", "problem"),
    [
        ("", "The repository is empty: it has no commit yet."),
        ("gone", "The repository has no branch 'gone'."),
    ],
)
async def test_a_source_without_what_was_asked_for_says_so(
    git: Git, followed: Followed, branch: str, problem: str
) -> None:
    if branch:
        git.write("hello")
        git.commit()
    assert (await followed.add(git.folder, branch)).problem == problem


async def test_an_unreachable_source_keeps_its_recipes_until_it_is_back(git: Git, followed: Followed) -> None:
    git.write("hello")
    git.commit()
    await followed.add(git.folder)
    away = git.folder.rename(git.folder.with_name("away"))
    source = await followed.sync()
    assert source.problem.startswith("git says: ")
    assert str(git.folder) in source.problem
    assert set(await followed.recipes()) == {"hello"}
    away.rename(git.folder)
    assert (await followed.sync()).problem == ""


async def test_a_branch_can_be_followed_and_changed(git: Git, followed: Followed) -> None:
    git.write("hello", "1-1")
    git.commit()
    git("switch", "--quiet", "--create", "next/big")
    git.write("hello", "2-1")
    git.commit()
    git("switch", "--quiet", "main")
    await followed.add(f"file://{git.folder}", "next/big")
    view = (await followed.recipes())["hello"]
    assert view.recipe is not None
    assert view.recipe.version == "2-1"
    await followed.service.change("tree", SourceChange(branch="main"))
    await followed.until(lambda source: not source.pending)
    view = (await followed.recipes())["hello"]
    assert view.recipe is not None
    assert view.recipe.version == "1-1"


async def test_a_repository_of_somebody_else_is_read_and_its_hooks_and_settings_do_nothing(
    git: Git, followed: Followed, tmp_path: Path
) -> None:
    git.write("hello")
    (git.folder / ".gitattributes").write_text("* export-ignore\n")
    (git.folder / "hello" / ".gitattributes").write_text("PKGBUILD export-ignore\n.SRCINFO ident\n")
    revision = git.commit()
    witness = tmp_path / "witness"
    git("config", "core.fsmonitor", f"touch {witness}")
    git("config", "uploadpack.packObjectsHook", f"touch {witness};")
    for hook in ("post-checkout", "reference-transaction", "post-merge"):
        script = git.folder / ".git" / "hooks" / hook
        script.write_text(f"#!/bin/sh\ntouch {witness}\n")
        script.chmod(0o755)
    git.belongs_to(12345)
    assert (await followed.add(git.folder)).problem == ""
    archive = await followed.service.recipe_archive("tree", revision, "hello")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert {".SRCINFO", "PKGBUILD", ".gitattributes"} <= set(tar.getnames())
    assert not witness.exists()


async def test_the_archive_depends_on_the_files_alone(git: Git, followed: Followed) -> None:
    git.write("hello")
    (git.folder / "hello" / "run").write_text("#!/bin/sh\n")
    (git.folder / "hello" / "run").chmod(0o755)
    (git.folder / "hello" / "link").symlink_to("run")
    first = git.commit()
    (git.folder / "README").write_text("later")
    second = git.commit(BOB)
    await followed.add(git.folder)
    archive = await followed.service.recipe_archive("tree", first, "hello")
    assert archive == await followed.service.recipe_archive("tree", second, "hello")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = {member.name: member for member in tar}
    assert set(members) == {".SRCINFO", "PKGBUILD", "run", "link"}
    assert (members["run"].mode, members["PKGBUILD"].mode) == (0o755, 0o644)
    assert members["link"].linkname == "run"


@pytest.mark.parametrize(
    "location",
    ["", "--upload-pack=touch /tmp/x", "ext::sh -c id", "relative/path", "/with\nbreak", "fd::17"],
)
async def test_a_location_that_git_could_misread_is_refused(followed: Followed, location: str) -> None:
    with pytest.raises(Invalid):
        await followed.service.add(NewSource(name="bad", location=location, repository="main"))


@pytest.mark.parametrize("branch", ["-x", "a..b", "a b", "a~1", "x.lock", "/a", "a/", "a:b", "@{u}"])
async def test_a_branch_that_git_could_misread_is_refused(followed: Followed, branch: str) -> None:
    with pytest.raises(Invalid, match="branch name"):
        await followed.service.add(NewSource(name="bad", location="/x", repository="main", branch=branch))


async def test_what_cannot_be_added_or_asked_for_is_refused(git: Git, followed: Followed) -> None:
    add = followed.service.add
    with pytest.raises(Invalid, match="source name"):
        await add(NewSource(name="../x", location="/x", repository="main"))
    with pytest.raises(Invalid, match="there is aur, git, gitlab, nvchecker, svn, tree, url"):
        await add(NewSource(name="x", location="/x", repository="main", kind="cvs"))
    with pytest.raises(NotFound, match="nowhere"):
        await add(NewSource(name="x", location="/x", repository="nowhere"))
    git.write("hello")
    git.commit()
    await followed.add(git.folder)
    with pytest.raises(Conflict):
        await add(NewSource(name="tree", location="/x", repository="main"))
    await followed.service.change("tree", SourceChange(enabled=False))
    with pytest.raises(Conflict, match="disabled"):
        await followed.service.sync("tree")
    with pytest.raises(NotFound):
        await followed.service.recipe("unknown")


async def test_a_removed_source_leaves_nothing_behind(git: Git, followed: Followed, tmp_path: Path) -> None:
    git.write("hello")
    git.commit()
    await followed.add(git.folder)
    assert (tmp_path / "sources" / "tree.git").is_dir()
    await followed.service.remove("tree")
    assert await followed.recipes() == {}
    assert not (tmp_path / "sources" / "tree.git").exists()
    with pytest.raises(NotFound):
        await followed.service.show("tree")
