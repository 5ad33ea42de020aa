"""Quarters builds itself as a package, pacman takes that, and what is in it works; its units are what systemd takes."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from quarters import __version__
from quarters.protocol.resources import NewRepository, NewSource
from tests.press import package
from tests.system.client import pacman
from tests.system.farm import REPOSITORY, Farm, commit


@pytest.fixture(scope="session")
def archive(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive with all wheels; skips where no package index is to be had."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [project / "scripts" / "archive", folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"the libraries cannot be downloaded: {done.stderr[-300:]}")
    return folder / f"quarters-{__version__}.tar.gz"


def test_the_recipe_is_of_this_version(project: Path) -> None:
    recipe = (project / "packaging" / "arch" / "PKGBUILD").read_text()
    assert re.search(r"^pkgver=(.*)$", recipe, re.MULTILINE)[1] == __version__  # type: ignore[index]


async def test_quarters_builds_itself(farm: Farm, project: Path, archive: Path) -> None:
    recipe = (project / "packaging" / "arch" / "PKGBUILD").read_text()
    (depends,) = re.findall(r"^depends=\((.*)\)$", recipe, re.MULTILINE)
    tree = farm.folder / "tree"
    (tree / "quarters").mkdir(parents=True)
    (tree / "quarters" / "PKGBUILD").write_text(recipe)
    shutil.copy(archive, tree / "quarters")
    commit(tree)
    farm.server()
    async with farm.client() as client:
        await client.repositories.create(NewRepository(name=REPOSITORY))
        # The root has the programs themselves; pacman is to know of them.
        it = package("programs", more="".join(f"provides = {name}\n" for name in depends.split()))
        path = farm.folder / it.file_name
        path.write_bytes(it.content)
        await client.repositories.publish(REPOSITORY, path)
        await client.sources.create(NewSource(name="tree", location=str(tree), repository=REPOSITORY))
    await farm.builder("anvil")
    said = farm.run("builds", "watch", "--until-idle")
    assert "quarters" in said, farm.run("plan", "quarters", "--json")
    (listed,) = [it for it in farm.json("repo", "packages", REPOSITORY) if it["name"] == "quarters"]
    assert listed["version"] == f"{__version__}-1"
    script = (
        'pacman --config "$conf" --noconfirm -Syw quarters >/dev/null; mkdir "$root/tried";'
        'bsdtar -xf "$cache"/quarters-*.zst -C "$root/tried";'
        'cd "$root/tried" && PYTHONPATH=usr/lib/quarters python3 -P -m quarters.cli --version;'
        "ls usr/lib/systemd/system usr/bin etc/quarters"
    )
    said = pacman(farm, REPOSITORY, script)
    assert __version__ in said
    assert {"quarters-server.service", "quarters-builder.service", "quarters.toml"} <= set(said.split())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ["quarters-server", "quarters-builder"])
def test_systemd_takes_the_units(project: Path, tmp_path: Path, name: str) -> None:
    unit = (project / "packaging" / "systemd" / f"{name}.service").read_text()
    here = tmp_path / f"{name}.service"
    here.write_text(
        unit.replace("/usr/bin/quarters", shutil.which("true") or "").replace("User=quarters", "User=root")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(here)],
        capture_output=True, text=True, check=False, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
