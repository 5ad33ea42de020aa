"""The sandbox as an ordinary user has it, with the real tools."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from quarters.builder import rootless
from tests.inhabitants import inhabitants

NOBODY_SPECIAL = 64200
WHO = ("setpriv", "--reuid", str(NOBODY_SPECIAL), "--regid", str(NOBODY_SPECIAL), "--clear-groups", "--")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("bwrap", "makepkg", "pacman", "setpriv"))),
    reason="becoming an ordinary user needs root, building bubblewrap and pacman",
)
BUILDING = """
import asyncio, sys
from pathlib import Path
from tests.integration.recorder import built, pkgbuild

async def main():
    recipe = pkgbuild(sys.argv[2])
    if len(sys.argv) > 3:
        recipe[".quarters/prepare"] = sys.argv[3]
    builder = {"slot_memory": 200 << 20, "slot_processes": 300, "slot_disk": 100 << 20}
    finish, server = await built(Path(sys.argv[1]), recipe, builder=builder)
    print(server.log(1))
    print("ended as", finish.outcome, finish.reason or "", finish.steps[-1].step)

asyncio.run(main())
"""
CHECKING = """
import sys
from pathlib import Path
from quarters.builder import rootless
from quarters.builder.failure import BuilderUnusable
from quarters.builder.workspace import PATH
try:
    rootless.check(Path(sys.argv[1]), PATH)
except BuilderUnusable as error:
    print(error)
"""


@pytest.fixture(scope="module")
def folder(project: Path) -> Iterator[Path]:
    """A folder of that user, to whom the checkout has to be open."""
    if subprocess.run([*WHO, sys.executable, "-c", "import tests"], cwd=project, check=False).returncode:
        pytest.skip("an ordinary user cannot read this checkout")
    with TemporaryDirectory(prefix="q-", dir="/var/tmp") as name:
        os.chown(name, NOBODY_SPECIAL, NOBODY_SPECIAL)
        yield Path(name)
        assert inhabitants(Path(name)) == []


def ran(project: Path, script: str, folder: Path, *arguments: str, before: tuple[str, ...] = ()) -> str:
    """What a script prints that this user runs."""
    command = [*WHO, *before, sys.executable, "-B", "-c", script, str(folder), *arguments]
    modules = os.pathsep.join(filter(None, sys.path))
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": modules}
    done = subprocess.run(
        command, cwd=project, capture_output=True, text=True, check=False, env=environ, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_an_ordinary_user_builds_in_a_root_that_the_build_cannot_change(
    project: Path, folder: Path
) -> None:
    functions = r"""build() {
        echo "user=$(id -u)"; echo "capabilities=$(grep CapEff /proc/self/status | cut -f2)"
        for place in /etc /usr /usr/bin /var/lib/pacman /opt; do
          touch $place/mine 2>/dev/null && echo "BREACH $place" || :
        done
        [[ $(wc -l </proc/net/dev) == 3 ]] || echo BREACH network
        mkdir -p deep/locked; chmod 000 deep/locked deep
    }"""
    said = await asyncio.to_thread(ran, project, BUILDING, folder / "data", functions)
    assert "ended as built  upload" in said
    assert "user=1000\ncapabilities=0000000000000000\n" in said
    assert "BREACH" not in said
    assert list((folder / "data/work").iterdir()) == []


async def test_no_link_that_a_hook_left_leads_to_the_users_own_files(project: Path, folder: Path) -> None:
    (folder / "private").write_text("secret\n")
    places = "/build /sources /out /tmp"
    hook = f"mkdir -p {folder}; for it in {places}; do rm -rf $it; ln -s {folder} $it; done"
    functions = (
        f"build() {{ for it in {places}; do [[ ! -e $it/private ]] || echo BREACH $it; done; echo looked; }}"
    )
    said = await asyncio.to_thread(ran, project, BUILDING, folder / "data", functions, hook)
    assert "BREACH" not in said
    assert "\nlooked\n" in said
    assert "ended as built" in said


@pytest.mark.parametrize(
    ("functions", "reason"),
    [
        (
            """build() { perl -e '$x .= "x" x 10_000_000, select undef, undef, undef, .02 while 1'; }""",
            "out_of_memory",
        ),
        ("build() { for n in $(seq 400); do sleep 60 & done; wait; }", "too_many_processes"),
    ],
)
async def test_limits_hold_where_no_control_group_can_be_made(
    project: Path, folder: Path, functions: str, reason: str
) -> None:
    said = await asyncio.to_thread(ran, project, BUILDING, folder / "data", functions)
    assert f"ended as failed {reason} build" in said


async def test_where_the_system_does_not_allow_it_a_sentence_says_so(project: Path, folder: Path) -> None:
    # In a namespace that may have one more below it, which is used up; nothing of the machine is changed.
    last = 'echo 1 >/proc/sys/user/max_user_namespaces; exec unshare --user --map-user=1000 --map-group=1000 -- "$@"'
    before = ("unshare", "--user", "--map-root-user", "--", "sh", "-euc", last, "sh")
    said = await asyncio.to_thread(ran, project, CHECKING, folder, before=before)
    assert said.startswith("This system does not let an ordinary user isolate builds")
    assert said.endswith("run it with sudo.\n")


def test_a_skeleton_follows_the_folders_of_its_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, to = tmp_path / "layer", tmp_path / "skeleton"
    (layer / "kept/deep").mkdir(parents=True)
    (layer / "gone/deep").mkdir(parents=True)
    (layer / "link").symlink_to("kept")
    (layer / "file").touch()
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY_SPECIAL)
    assert rootless.skeleton(layer, to) == str(to)
    shutil.rmtree(layer / "gone")
    (layer / "kept/new").mkdir()
    rootless.skeleton(layer, to)
    assert {str(path.relative_to(to)) for path in to.rglob("*")} == {"kept", "kept/deep", "kept/new"}
