"""Differences between two states of a recipe's folder, as git has them."""

from pathlib import Path

from quarters.model.review import RiskKind
from quarters.planning.review import judge
from quarters.sources import pacman_recipe
from quarters.sources.comparing import difference, files
from quarters.sources.git import Git as Bare
from quarters.sources.mirror import Mirror
from tests.following import Git


def mirror_of(git: Git) -> Mirror:
    """Somebody's working copy, read as a mirror is."""
    return Mirror(Bare(git.folder / ".git", 60), pacman_recipe.WANTED)


async def test_a_large_file_hides_nothing_else_of_a_difference(tmp_path: Path) -> None:
    git = Git(tmp_path / "recipes")
    git.write(".", "1.0-1", "hello")
    before = git.commit()
    git.write(".", "2.0-1", "hello")
    (git.folder / "large").write_text("hay\n" * (2 << 20))
    after = git.commit()
    mirror = mirror_of(git)
    await mirror.git.prepare()
    shown = await difference(mirror, f"{before}^{{tree}}", f"{after}^{{tree}}")
    assert "+pkgver=2.0" in shown
    assert "Binary files /dev/null and b/large differ" in shown
    assert "hay" not in shown


async def test_a_link_is_called_one(tmp_path: Path) -> None:
    git = Git(tmp_path / "recipes")
    git.write(".", "1.0-1", "hello")
    before = git.commit()
    (git.folder / "link").symlink_to("/etc/shadow")
    after = git.commit()
    mirror = mirror_of(git)
    await mirror.git.prepare()
    (risk,) = judge(await files(mirror, before), await files(mirror, after), ()).risks
    assert (risk.kind, risk.message) == (RiskKind.BINARY, "This file is new, and is a symbolic link.")
