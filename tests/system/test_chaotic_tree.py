"""A tree as Chaotic-AUR has it, taken as it is: settings and hooks of its recipes, from a push to the published package."""

from pathlib import Path

import pytest

from tests.system.farm import commit, farm_in, recipe


def configured(tree: Path, name: str, functions: str = "", version: str = "1", **files: str) -> None:
    """A recipe with files in its `.CI`."""
    recipe(tree, name, functions, version=version)
    (tree / name / ".CI").mkdir(exist_ok=True)
    for file, text in files.items():
        (tree / name / ".CI" / file).write_text(text)


@pytest.mark.usefixtures("real_tools")
def test_settings_and_hooks_of_a_tree_mean_what_they_mean_there(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    configured(
        tree,
        "bumped",
        "groups=(all)\nbuild() { echo hello $NAME; }",
        config="CI_PKGBUILD_SOURCE=custom\nCI_PACKAGE_BUMP=1-1/2\n",
        prepare="export NAME=there\n",
    )
    configured(tree, "left-out", config="", prepare="exit 99\n")
    configured(tree, "moving", "pkgver() { echo 7; }\nbuild() { echo compiled; }", config="")
    (tree / ".ci").mkdir()
    (tree / ".ci" / "config").write_text("CI_CODE_SKIP=99\n")
    commit(tree)
    with farm_in(tmp_path) as farm:
        farm.server("up", "--slots", "2")
        farm.run("source", "add", "tree", str(tree))
        farm.run("builds", "watch", "--until-idle")
        first = {it["pkgbase"]: it for it in farm.json("builds", "list")}
        assert {name: it["state"] for name, it in first.items()} == {
            "bumped": "succeeded",
            "left-out": "skipped",
            "moving": "succeeded",
        }
        assert first["left-out"]["message"] == ".CI/prepare says that nothing is to be built."
        log = farm.run("log", str(first["bumped"]["id"]))
        assert "\nhello there\n" in log
        assert log.endswith(
            "[quarters] Applied: .CI/prepare, pkgrel raised by 0.2, replaces and groups left out.\n"
        )
        published = {it["name"]: it["version"] for it in farm.json("repo", "packages", "quarters")}
        assert published == {"bumped": "1-1.2", "moving": "7-1"}
        # Its sources moved on no further: nothing is compiled again. The bump lapses with the version.
        (tree / "moving" / "README").write_text("Something else.\n")
        configured(tree, "bumped", version="2")
        commit(tree)
        farm.run("source", "sync", "tree")
        farm.run("builds", "watch", "--until-idle")
        again = {it["pkgbase"]: it for it in farm.json("builds", "list") if it["id"] > 3}
        assert {name: it["state"] for name, it in again.items()} == {
            "bumped": "succeeded",
            "moving": "skipped",
        }
        assert "\ncompiled\n" not in farm.run("log", str(again["moving"]["id"]))
        published = {it["name"]: it["version"] for it in farm.json("repo", "packages", "quarters")}
        assert published == {"bumped": "2-1", "moving": "7-1"}
