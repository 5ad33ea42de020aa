"""What Quarters adds to a trivial build: from asking for it to seeing it in the index, beside makepkg and repo-add."""

import asyncio
import os
import subprocess
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import trivial
from benchmarks.running import demand, scratch, up
from benchmarks.table import Row
from quarters.protocol.client import Client

_ROUNDS = 7
_NOBODY_SPECIAL = 64100
_GOAL = 1.5


def rows() -> list[Row]:
    """Medians of several rounds, each once bare and once through Quarters, so that both see the same machine."""
    demand("bwrap", "git", "makepkg", "repo-add", "setpriv", "fakeroot")
    with scratch() as folder:
        names = [f"trivial-{number}" for number in range(_ROUNDS + 1)]
        for name in names:
            trivial.write_recipe(folder / "tree" / name, name)
        trivial.commit(folder / "tree")
        with up(folder) as server:
            times = asyncio.run(
                _alternating(Client(server.connection.url, server.connection.token), folder, names)
            )
    # The first round warms the disk's cache and both programs.
    bare, through = (median(column) for column in zip(*times[1:], strict=True))
    more = through - bare
    rival = f"makepkg + repo-add: {bare:.3f} s"
    return [
        Row("trivial build, request to index", through, "s", rival, through / bare),
        Row("of it by Quarters", more, "s", goal=f"at most {_GOAL} s", met=more <= _GOAL),
    ]


async def _alternating(client: Client, folder: Path, names: list[str]) -> list[tuple[float, float]]:
    async with client:
        repository, arch = await trivial.follow(client, folder / "tree")
        times = []
        for name in names:
            bare = await asyncio.to_thread(_bare, folder / "bare" / name, name)
            times.append((bare, await trivial.build(client, repository, arch, name)))
        return times


def _bare(folder: Path, name: str) -> float:
    """Seconds that makepkg and repo-add take; the repository grows as the served one does."""
    seconds = bare_makepkg(folder, name)
    (package,) = folder.glob("*.pkg.tar.zst")
    return seconds + _run(["repo-add", "../bare.db.tar.gz", package.name], folder)


def bare_makepkg(folder: Path, name: str) -> float:
    """Seconds that makepkg takes for a trivial recipe in `folder`."""
    trivial.write_recipe(folder, name)
    for path in (folder.parent, folder, *folder.iterdir()):
        os.chown(path, _NOBODY_SPECIAL, _NOBODY_SPECIAL)
    return _run(["makepkg"], folder)


def _run(command: list[str], folder: Path) -> float:
    """Seconds that `command` takes; makepkg has to be no root."""
    user = str(_NOBODY_SPECIAL)
    nobody = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"]
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder), "PKGEXT": ".pkg.tar.zst"}
    began = perf_counter()
    done = subprocess.run(
        [*nobody, *command], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")
    return perf_counter() - began
