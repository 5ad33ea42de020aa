"""How long a scheduled look at the upstreams of a whole tree takes where nothing changed, and what it asks."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from urllib.request import urlopen

from benchmarks import trivial
from benchmarks.running import Up, demand, free_port, scratch, up
from benchmarks.table import Row
from quarters.model.updates import Updates
from quarters.protocol.client import Client
from quarters.protocol.resources import NewSource, SourceChange
from quarters.protocol.updates import UpdateWish

_PACKAGES = 2355
_BRANCHES = 700
_ROUNDS = 5
_GOAL = 30.0
_LOOK = 0.02
_PATIENCE = 600.0
_RIVALS = 8
"""Chaotic-AUR's tools ask about so many packages side by side."""


def rows() -> list[Row]:
    """The median of five runs from asking for them to their end, beside git asked for each branch, eight at a time."""
    demand("git", "bwrap")
    names = [f"pkg-{number}" for number in range(_PACKAGES - _BRANCHES)]
    names += [f"moving-{number}-git" for number in range(_BRANCHES)]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with scratch() as folder, _upstreams(port, names):
        tree = _tree(folder / "tree", names, url)
        with up(folder, QUARTERS_SOURCES__AUR=url) as server:
            times, asked = asyncio.run(_measured(server, tree, url))
        rival = _by_git(names, url)
    took = median(times)
    what = f"{_PACKAGES:,} AUR packages, {_BRANCHES} VCS sources, nothing new"
    return [
        Row(
            what,
            took,
            "s",
            f"git ls-remote, {_RIVALS} at a time: {rival:.1f} s",
            took / rival,
            f"< {_GOAL:g} s",
            took < _GOAL,
        ),
        Row("requests for metadata", asked.get("metadata", 0), "", goal="1", met=asked.get("metadata") == 1),
        Row("requests for refs", asked.get("refs", 0), ""),
    ]


def _tree(folder: Path, names: list[str], url: str) -> Path:
    for name in names:
        trivial.write_recipe(folder / name, name)
        (folder / name / ".CI").mkdir()
        (folder / name / ".CI" / "config").write_text("CI_PKGBUILD_SOURCE=aur\n")
        if name.endswith("-git"):
            srcinfo = folder / name / ".SRCINFO"
            source = f"\tarch = any\n\tsource = git+{url}/git/{name}#branch=main\n"
            srcinfo.write_text(srcinfo.read_text().replace("\tarch = any\n", source))
    trivial.commit(folder)
    return folder


async def _measured(server: Up, tree: Path, url: str) -> tuple[list[float], dict[str, int]]:
    async with Client(server.connection.url, server.connection.token) as client, asyncio.timeout(_PATIENCE):
        repository = (await client.repositories.list()).items[0].name
        new = NewSource(name="tree", location=str(tree), repository=repository, automatic=False)
        await client.sources.create(new)
        while (await client.sources.show("tree")).synced_at is None:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(_LOOK)
        # Not by the clock: a second run would be measured along.
        await client.sources.change("tree", SourceChange(updates=Updates(push=str(tree))))
        await _run(client)
        asked: dict[str, int] = {}
        times = []
        for _ in range(_ROUNDS):
            await asyncio.to_thread(_asked, url)
            times.append(await _run(client))
            asked = await asyncio.to_thread(_asked, url)
        assert not (await client.updates.show("tree")).problem
        return times, asked


async def _run(client: Client) -> float:
    before = (await client.updates.show("tree")).ended_at
    began = perf_counter()
    await client.updates.ask("tree", UpdateWish())
    while (await client.updates.show("tree")).ended_at == before:  # noqa: ASYNC110 - in another process
        await asyncio.sleep(_LOOK)
    return perf_counter() - began


def _asked(url: str) -> dict[str, int]:
    with urlopen(f"{url}/asked") as answer:
        told: dict[str, int] = json.load(answer)
        return told


def _by_git(names: list[str], url: str) -> float:
    """Seconds that git needs to tell the branches, a process for each, as the shell scripts do."""
    places = [f"{url}/git/{name}" for name in names if name.endswith("-git")]

    def ask(place: str) -> None:
        command = ["git", "ls-remote", "--quiet", place, "refs/heads/main"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    began = perf_counter()
    with ThreadPoolExecutor(_RIVALS) as threads:
        list(threads.map(ask, places))
    return perf_counter() - began


@contextlib.contextmanager
def _upstreams(port: int, names: list[str]) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.upstreams", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(" ".join(names))
        process.stdin.close()
        try:
            _wait_for(port)
            yield
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    began = perf_counter()
    while True:
        try:
            _asked(f"http://127.0.0.1:{port}")
        except OSError:
            if perf_counter() - began > _PATIENCE:
                raise
        else:
            return
