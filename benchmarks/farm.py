"""Many builds on one builder with two slots, beside the same ones with makepkg alone, one after the other."""

import asyncio
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.running import demand, scratch, up
from benchmarks.table import Row
from quarters.protocol.client import Client
from quarters.protocol.resources import BuildRequest, NewRepository, NewSource

_EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
_RECIPES = (
    "libgreet", "greet-gen", "greet-texts", "greet-config", "greet", "greet-testkit", "greet-letter", "greet-today",
)  # fmt: skip
"""In an order in which they can be built."""
_TIMES = 16
_SLOTS = 2
_BARE_ROUNDS = 3
_PATIENCE = 1800.0
_GOAL = 1.15


def rows() -> list[Row]:
    """The time from the request to the last publish, against the sum of the bare times divided by the slots.

    Each of 16 repositories builds all examples from a source of its own, so that there are 128 builds. What makepkg alone
    takes for them where two of it share the processors is the least that any builder with two slots could take.
    """
    demand("bwrap", "git", "makepkg", "pacman", "setpriv", "fakeroot", "unshare")
    with scratch() as folder:
        before = [_bare(folder / f"before-{number}") for number in range(_BARE_ROUNDS)]
        subprocess.run([_EXAMPLES / "make-repository", folder / "tree"], check=True, capture_output=True)
        with up(folder, slots=_SLOTS) as server:
            client = Client(server.connection.url, server.connection.token)
            seconds = asyncio.run(_all_built(client, folder / "tree"))
        after = [_bare(folder / f"after-{number}") for number in range(_BARE_ROUNDS)]
        shared = _bare_side_by_side(folder / "shared")
    bare = _TIMES * sum(median(column) for column in zip(*before, *after, strict=True)) / _SLOTS
    ratio = seconds / bare
    least = _TIMES * shared / _SLOTS
    return [
        Row(
            f"{_TIMES * len(_RECIPES)} builds in {_SLOTS} slots", seconds, "s",
            f"makepkg, all / {_SLOTS}: {bare:.1f} s", ratio, f"at most {_GOAL}", ratio <= _GOAL,
        ),
        Row(
            f"makepkg alone for them, {_SLOTS} side by side", least, "s",
            f"makepkg, all / {_SLOTS}: {bare:.1f} s", least / bare,
        ),
    ]  # fmt: skip


def _bare_side_by_side(folder: Path) -> float:
    """Seconds that makepkg alone takes for all recipes while it builds them in each slot."""
    with ThreadPoolExecutor(_SLOTS) as pool:
        taken = list(pool.map(_bare, [folder / str(slot) for slot in range(_SLOTS)]))
    return sum(map(sum, taken)) / _SLOTS


def _bare(work: Path) -> tuple[float, ...]:
    """Seconds that makepkg alone takes for each recipe."""
    for name in _RECIPES:
        shutil.copytree(_EXAMPLES / "recipes" / name, work / "recipes" / name)
    work.chmod(0o755)
    script = str(Path(__file__).with_name("bare_examples.sh"))
    command = ["unshare", "--mount", "--propagation", "private", "--", script, str(work), *_RECIPES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"makepkg alone failed: {done.stdout}{done.stderr}")
    return tuple(int(line.split()[1]) / 1_000_000 for line in done.stdout.splitlines())


async def _all_built(client: Client, tree: Path) -> float:
    async with client:
        names = [f"times-{number}" for number in range(_TIMES)]
        for name in names:
            await client.repositories.create(NewRepository(name=name))
            source = NewSource(name=name, location=str(tree), repository=name, automatic=False)
            await client.sources.create(source)
        async with asyncio.timeout(_PATIENCE):
            for name in names:
                while (await client.sources.show(name)).synced_at is None:  # noqa: ASYNC110 - in another process
                    await asyncio.sleep(0.1)
            began = perf_counter()
            wanted: set[str] = set()
            for name in names:
                requested = await client.builds.request(BuildRequest(packages=_RECIPES, repository=name))
                wanted |= {str(build) for build in requested.builds}
            return await _ended(client, wanted) - began


async def _ended(client: Client, wanted: set[str]) -> float:
    """When the last of the builds had succeeded."""
    async for event in client.events.follow(0):
        if event.kind == "build.failed":
            failed = await client.builds.show(int(event.subject))
            raise RuntimeError(f"{failed.pkgbase} was not built: {failed.message}")
        if event.kind == "build.succeeded":
            wanted.discard(event.subject)
        if not wanted:
            return perf_counter()
    raise RuntimeError("The stream of events has ended.")
