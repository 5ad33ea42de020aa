"""The whole way, from recipes in a git repository to programs that pacman installed: `quarters up` and its commands."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import pytest

from tests.system.client import pacman
from tests.system.farm import Farm, farm_in

OUTPUTS_OF_ANOTHER = {"libgreet-devel": "libgreet"}


@dataclass(frozen=True)
class Built:
    """The example recipes, built; `packages` are the downloaded files by package name."""

    farm: Farm
    tree: Path
    packages: dict[str, Path]

    def member(self, package: str, path: str) -> str:
        """A file of a package, as bsdtar reads it."""
        command: list[str | Path] = ["bsdtar", "-xOf", self.packages[package], path]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def info(self, package: str, key: str) -> list[str]:
        """The values of a key of .PKGINFO."""
        lines = self.member(package, ".PKGINFO").splitlines()
        return [line.removeprefix(f"{key} = ") for line in lines if line.startswith(f"{key} = ")]

    def log(self, pkgbase: str) -> str:
        """What the build of a recipe printed."""
        (build,) = (it["id"] for it in self.farm.json("builds", "list") if it["pkgbase"] == pkgbase)
        return self.farm.run("log", str(build))


@pytest.fixture(scope="module")
def built(real_tools: None, project: Path) -> Iterator[Built]:
    with TemporaryDirectory(prefix="q-", dir="/var/tmp") as name, farm_in(Path(name)) as farm:
        tree = farm.folder / "tree"
        subprocess.run([project / "examples" / "make-repository", tree], check=True)
        farm.server("up", "--slots", "2")
        farm.run("source", "add", "examples", str(tree))
        farm.run("builds", "watch", "--until-idle")
        listed = farm.json("repo", "packages", "quarters")
        yield Built(farm, tree, {it["name"]: downloaded(farm, it["file_name"]) for it in listed})


def downloaded(farm: Farm, file_name: str) -> Path:
    path = farm.folder / "downloaded" / file_name
    path.parent.mkdir(exist_ok=True)
    with urlopen(f"{farm.url}/repo/quarters/x86_64/{file_name}") as answer:
        path.write_bytes(answer.read())
    return path


def test_every_recipe_is_built_and_published(built: Built, project: Path) -> None:
    recipes = {path.name for path in (project / "examples" / "recipes").iterdir()}
    builds = built.farm.json("builds", "list")
    assert {it["pkgbase"]: it["state"] for it in builds} == dict.fromkeys(recipes, "succeeded")
    assert len(builds) == len(recipes)
    assert set(built.packages) == recipes | set(OUTPUTS_OF_ANOTHER)


def test_the_packager_is_the_author_of_the_commit(built: Built) -> None:
    for name in built.packages:
        recipe = OUTPUTS_OF_ANOTHER.get(name, name)
        command: list[str | Path] = ["git", "-C", built.tree, "log", "-1", "--format=%an <%ae>", "--", recipe]
        author = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert built.info(name, "packager") == [author]


def test_a_program_carries_the_soname_of_the_library_that_was_just_built(built: Built) -> None:
    assert built.info("libgreet", "provides") == ["libgreet.so=1-64"]
    assert "libgreet.so=1-64" in built.info("greet", "depend")


def test_a_recipe_whose_metadata_only_bash_can_say_is_built(built: Built) -> None:
    assert "greet-in-blue=1.0" in built.info("greet-colours", "provides")


def test_the_published_version_is_the_one_that_pkgver_worked_out(built: Built) -> None:
    assert built.info("greet-today", "pkgver") == ["1:2026.2-1"]
    (listed,) = (it for it in built.farm.json("repo", "packages", "quarters") if it["name"] == "greet-today")
    assert listed["version"] == "1:2026.2-1"


def test_what_only_the_tests_of_a_recipe_need_is_installed_for_them_and_not_for_users(built: Built) -> None:
    log = built.log("greet-letter")
    assert "installing greet-testkit..." in log
    assert 'ok: sh greet-letter Ada de prints "Guten Tag, Ada!"' in log
    assert built.info("greet-letter", "depend") == ["greet>=1.4"]


def test_pacman_installs_everything_with_signatures_required_and_the_program_greets(built: Built) -> None:
    said = pacman(
        built.farm,
        "quarters",
        'pacman --config "$conf" --noconfirm -Sy greetings; chroot "$root" /usr/bin/greet -l de Ada',
    )
    assert said.splitlines()[-1] == "Guten Tag, Ada!"
    # All but the tool that only builds need.
    installed = {name for name in built.packages if f"installing {name}..." in said}
    assert installed == set(built.packages) - {"greet-gen"}


def test_a_source_without_news_is_synced_without_a_build(built: Built) -> None:
    before = built.farm.json("builds", "list")
    built.farm.run("source", "sync", "examples")
    built.farm.run("builds", "watch", "--until-idle")
    assert built.farm.json("builds", "list") == before
