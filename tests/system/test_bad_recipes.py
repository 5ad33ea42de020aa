"""A source with recipes of the worst kind: each is told apart, none does harm, and the good one is built."""

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

import pytest

from tests.system.farm import Farm, commit, farm_in, recipe

GOOD = "pkgname={}\npkgver=1\npkgrel=1\npkgdesc='A test'\narch=(any)\npackage() {{\n  true\n}}\n"


@dataclass(frozen=True)
class Scene:
    """A server that has read the source and built what could be built; `caller` is where a recipe tried to call."""

    farm: Farm
    caller: socket.socket
    targets: tuple[Path, ...]

    def recipe(self, pkgbase: str) -> Any:
        """A recipe as the API shows it."""
        with urlopen(f"{self.farm.url}/api/v1/recipes/{pkgbase}") as answer:
            return json.load(answer)

    def problems(self, pkgbase: str) -> Any:
        """What stands in the way of building it."""
        return self.farm.json("plan", pkgbase, code=1)["problems"]


def hostile(tree: Path, name: str, code: str) -> None:
    """Write a recipe without metadata, so that it has to be evaluated."""
    (tree / name).mkdir(parents=True)
    (tree / name / "PKGBUILD").write_text(GOOD.format(name) + code)


@pytest.fixture(scope="module")
def scene(real_tools: None) -> Iterator[Scene]:
    settings = {"QUARTERS_SOURCES__EVALUATION_TIMEOUT": "3"}
    with (
        TemporaryDirectory(prefix="q-", dir="/var/tmp") as name,
        socket.create_server(("127.0.0.1", 0)) as caller,
        farm_in(Path(name), settings) as farm,
    ):
        caller.setblocking(False)
        tree = farm.folder / "tree"
        targets = tuple(
            Path(folder) / f"{farm.folder.name}-escaped" for folder in ("/etc", "/var/tmp", "/usr")
        )
        writes = "".join(f"touch {path} 2>/dev/null\n" for path in targets)
        hostile(tree, "writes-outside", f"{writes}pkgver=2\n")
        port = caller.getsockname()[1]
        hostile(
            tree, "calls-home", f"if exec 3<>/dev/tcp/127.0.0.1/{port}; then pkgver=666; else pkgver=2; fi\n"
        )
        hostile(tree, "never-ends", f"sh -c ': {farm.folder.name}; while :; do :; done'\n")
        hostile(tree, "broken", "if then\n")
        for one, other in (("hen", "egg"), ("egg", "chick"), ("chick", "hen")):
            recipe(tree, one, depends=other)
        recipe(tree, "low", depends="nowhere>=2")
        recipe(tree, "high", depends="low")
        recipe(tree, "good")
        commit(tree)
        farm.server("up", "--slots", "2")
        farm.run("source", "add", "tree", str(tree))
        farm.run("builds", "watch", "--until-idle")
        yield Scene(farm, caller, targets)


def test_a_syntax_error_is_shown_with_its_line(scene: Scene) -> None:
    assert scene.recipe("broken")["problem"] == "PKGBUILD, line 9: syntax error near unexpected token `then'."


def test_a_recipe_that_never_ends_is_given_up(scene: Scene) -> None:
    assert re.search(r"3 (s|seconds)", scene.recipe("never-ends")["problem"])
    mark = f": {scene.farm.folder.name};"
    done = subprocess.run(["pgrep", "-f", mark], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_recipe_cannot_write_outside_of_its_folder(scene: Scene) -> None:
    assert scene.recipe("writes-outside")["recipe"]["version"] == "2-1"
    assert not any(path.exists() for path in scene.targets)


def test_a_recipe_reaches_no_network_while_it_is_evaluated(scene: Scene) -> None:
    assert scene.recipe("calls-home")["recipe"]["version"] == "2-1"
    with pytest.raises(BlockingIOError):
        scene.caller.accept()


def test_a_cycle_names_its_members_in_order(scene: Scene) -> None:
    (problem,) = (it for it in scene.problems("hen") if it["kind"] == "cycle")
    assert len(problem["chain"]) == 4
    assert "hen -> egg -> chick -> hen" in " -> ".join([*problem["chain"], *problem["chain"][1:]])


def test_a_missing_dependency_names_the_chain_that_needs_it(scene: Scene) -> None:
    assert "high -> low -> nowhere>=2" in scene.farm.run("plan", "high", code=1)


def test_the_rest_of_the_source_is_built(scene: Scene) -> None:
    builds = {it["pkgbase"]: it["state"] for it in scene.farm.json("builds", "list")}
    # Those that only misbehave while they are evaluated are recipes like others, after all.
    assert builds == dict.fromkeys(("good", "writes-outside", "calls-home"), "succeeded")
