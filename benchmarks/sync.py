"""How long a server takes to read a whole tree of recipes, and to notice one commit in it."""

import asyncio
import os
import subprocess
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import trivial
from benchmarks.corpus import FOLDER, read_configurations, read_srcinfos
from benchmarks.running import Skipped, Up, demand, scratch, up
from benchmarks.table import Row
from quarters.protocol.client import Client
from quarters.protocol.resources import NewSource

_TREE = "BENCH_TREE"
"""Names a clone of a real tree of recipes, measured instead of one that is made of the corpus."""
_ROUNDS = 5
_LOOK = 0.01
_PATIENCE = 600.0
_FIRST_GOAL = 20.0
_COMMIT_GOAL = 0.5


def rows() -> list[Row]:
    """The first sync, and the median of five syncs after a commit each, from asking for them to their end."""
    demand("bwrap", "git", "makepkg", "fakeroot")
    with scratch() as folder:
        tree = _tree(folder / "tree")
        with up(folder) as server:
            recipes, first, later = asyncio.run(_measured(server, tree))
    size = f"{recipes:,} recipes"
    return [
        Row(f"first sync of {size}", first, "s", goal=f"< {_FIRST_GOAL:g} s", met=first < _FIRST_GOAL),
        Row(
            f"sync of {size} after a commit",
            median(later),
            "s",
            goal=f"< {_COMMIT_GOAL:g} s",
            met=median(later) < _COMMIT_GOAL,
        ),
    ]


def _tree(folder: Path) -> Path:
    """A clone of the named tree, or a repository of the corpus' metadata, whose PKGBUILDs say nothing."""
    if real := os.environ.get(_TREE):
        subprocess.run(["git", "clone", "--quiet", "--", real, str(folder)], check=True)
        return folder
    if not FOLDER.is_dir():
        raise Skipped(f"the corpus of real recipes is not beside the checkout, and {_TREE} names no tree.")
    configurations = read_configurations()
    for name, text in read_srcinfos().items():
        recipe = folder / name
        (recipe / ".CI").mkdir(parents=True)
        (recipe / "PKGBUILD").write_text("# The metadata says it all.\n")
        (recipe / ".SRCINFO").write_text(text)
        (recipe / ".CI" / "config").write_bytes(configurations[name])
    trivial.commit(folder)
    return folder


async def _measured(server: Up, tree: Path) -> tuple[int, float, list[float]]:
    async with Client(server.connection.url, server.connection.token) as client, asyncio.timeout(_PATIENCE):
        repository = (await client.repositories.list()).items[0].name
        new = NewSource(name="tree", location=str(tree), repository=repository, automatic=False)
        began = perf_counter()
        await client.sources.create(new)
        first = await _synced(client, tree, began)
        recipes = (await client.sources.show("tree")).recipes
        return recipes, first, [await _after_a_commit(client, tree) for _ in range(_ROUNDS)]


async def _after_a_commit(client: Client, tree: Path) -> float:
    changed = next(tree.glob("*/PKGBUILD"))
    with changed.open("a") as file:
        file.write("# One more line.\n")
    trivial.commit(tree)
    began = perf_counter()
    await client.sources.sync("tree")
    return await _synced(client, tree, began)


async def _synced(client: Client, tree: Path, began: float) -> float:
    """Seconds since `began` once the source stands at the tree's newest commit."""
    newest = _newest(tree)
    while (await client.sources.show("tree")).revision != newest:  # noqa: ASYNC110 - in another process
        await asyncio.sleep(_LOOK)
    return perf_counter() - began


def _newest(tree: Path) -> str:
    command = ["git", "-C", str(tree), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
