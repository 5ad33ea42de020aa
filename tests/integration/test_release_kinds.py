"""Sources whose recipes are one in a repository with versions: GitLab's tags, and whatever nvchecker finds."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from quarters.model.errors import Invalid
from quarters.protocol.resources import NewSource, SourceChange
from tests.aur import LocalAur, local_aur
from tests.following import Followed, Git, following


@pytest.fixture
async def followed(tmp_path: Path) -> AsyncIterator[Followed]:
    async with following(tmp_path) as followed:
        yield followed


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[LocalAur]:
    async with local_aur(tmp_path / "forge") as forge:
        yield forge


async def version(followed: Followed) -> str:
    """That of the only recipe, or what is wrong with it."""
    (view,) = (await followed.recipes()).values()
    return view.recipe.version if view.recipe else view.problem


def released(forge: LocalAur, version: str, tag: str, key: str = "") -> None:
    """A commit of the project `hello` and its tag."""
    forge.push("hello", version)
    forge.tag("hello", tag, key)


async def test_a_project_of_gitlab_stands_at_its_highest_version(forge: LocalAur, followed: Followed) -> None:
    released(forge, "1.9-1", "v1.9")
    released(forge, "1.10-1", "v1.10")
    released(forge, "1.8.1-1", "v1.8.1")
    await followed.add(f"{forge.url}/group/hello", kind="gitlab")
    assert await version(followed) == "1.10-1"
    released(forge, "2.0rc1-1", "v2.0-rc1")
    await followed.sync()
    assert await version(followed) == "1.10-1"
    await followed.service.change("tree", SourceChange(prereleases=True))
    await followed.sync()
    assert await version(followed) == "2.0rc1-1"
    released(forge, "2.0-1", "v2.0")
    await followed.sync()
    assert await version(followed) == "2.0-1"


async def test_tags_that_did_not_change_cost_one_question(forge: LocalAur, followed: Followed) -> None:
    released(forge, "1.0-1", "v1.0")
    first = await followed.add(f"{forge.url}/group/hello", kind="gitlab")
    forge.asked.clear()
    assert (await followed.sync()).revision == first.revision
    assert forge.asked == ["tags"]


async def test_a_tag_that_is_moved_is_followed(forge: LocalAur, followed: Followed) -> None:
    released(forge, "1.0-1", "v1.0")
    await followed.add(f"{forge.url}/group/hello", kind="gitlab")
    released(forge, "1.0-2", "v1.0")
    await followed.sync()
    assert await version(followed) == "1.0-2"


async def test_all_pages_of_tags_are_read(forge: LocalAur, followed: Followed) -> None:
    released(forge, "9.0-1", "v9.0")
    for number in range(150):
        forge.tags["group/hello"].insert(0, {"name": f"v1.{number}", "commit": {"id": "0" * 40}})
    await followed.add(f"{forge.url}/group/hello", kind="gitlab")
    assert await version(followed) == "9.0-1"


async def test_a_project_may_be_named_by_its_number(forge: LocalAur, followed: Followed) -> None:
    released(forge, "1.0-1", "v1.0", key="77")
    (forge.folder / "77").symlink_to(forge.folder / "hello")
    await followed.add(f"{forge.url}/projects/77", kind="gitlab")
    assert await version(followed) == "1.0-1"


async def test_a_project_without_versions_says_so(forge: LocalAur, followed: Followed) -> None:
    released(forge, "1.0-1", "stable")
    source = await followed.add(f"{forge.url}/group/hello", kind="gitlab")
    assert source.problem == "The project has no tag that is a version."


@pytest.mark.parametrize(
    "location", ["/srv/hello.git", "https://gitlab.example.org/hello", "git@host:group/hello"]
)
async def test_what_is_no_project_of_gitlab_is_refused(followed: Followed, location: str) -> None:
    with pytest.raises(Invalid):
        await followed.service.add(
            NewSource(name="tree", location=location, repository="main", kind="gitlab")
        )


async def test_only_kinds_that_know_versions_have_prereleases(followed: Followed, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="A source of kind 'tree' has no prereleases"):
        await followed.service.add(
            NewSource(name="tree", location=str(tmp_path), repository="main", prereleases=True)
        )


def wrapped(folder: Path, project: str) -> Git:
    """A recipe of one's own for software that others release."""
    git = Git(folder)
    git.write(".", "1.0-3", "tool")
    pkgbuild = folder / "PKGBUILD"
    source = f"source=(\"{project}/tool-$pkgver.txt\")\nsha256sums=('{sha256(b'1.0').hexdigest()}')\n"
    pkgbuild.write_text(pkgbuild.read_text() + source)
    (folder / "nvchecker.toml").write_text(f'[tool]\nsource = "git"\ngit = "{project}"\nprefix = "v"\n')
    git.commit()
    return git


def publish(forge: LocalAur, tag: str) -> None:
    """A release of the project `software`, with its file."""
    version = tag.removeprefix("v")
    if not (forge.folder / "software").exists():
        forge.push("software")
    (forge.folder / "software" / ".git" / f"tool-{version}.txt").write_text(version)
    forge.tag("software", tag)


async def test_a_release_that_nvchecker_finds_becomes_the_recipes_version_and_never_a_lower_one(
    forge: LocalAur, followed: Followed, tmp_path: Path
) -> None:
    """The real nvchecker and the real makepkg, in the sandbox."""
    publish(forge, "v0.9")
    git = wrapped(tmp_path / "recipe", f"{forge.url}/software.git")
    source = await followed.add(git.folder, kind="nvchecker")
    assert (await version(followed), source.problem) == ("1.0-3", "")
    publish(forge, "v1.5")
    source = await followed.sync()
    assert (await version(followed), source.problem) == ("1.5-1", "")
    written = await followed.service.mirror("tree").file(source.revision, "tree/PKGBUILD")
    assert sha256(b"1.5").hexdigest().encode() in written
    # The release is taken back, and the recipe changes: it gets the change, and keeps the version.
    Git.of(forge.folder / "software")("tag", "--delete", "v1.5")
    Git.of(forge.folder / "software")("update-server-info")
    assert (await followed.sync()).revision == source.revision
    (git.folder / "PKGBUILD").write_text((git.folder / "PKGBUILD").read_text() + "# mended\n")
    git.commit()
    mended = await followed.sync()
    assert (await version(followed), mended.problem) == ("1.5-1", "")
    assert b"# mended" in await followed.service.mirror("tree").file(mended.revision, "tree/PKGBUILD")


async def test_while_nvchecker_finds_nothing_the_recipe_stays_and_the_source_says_why(
    forge: LocalAur, followed: Followed, tmp_path: Path
) -> None:
    git = wrapped(tmp_path / "recipe", f"{forge.url}/nothing.git")
    source = await followed.add(git.folder, kind="nvchecker")
    assert source.problem.startswith("nvchecker finds no version: ")
    assert await version(followed) == "1.0-3"
