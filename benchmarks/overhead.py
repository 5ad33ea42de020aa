"""What each executor adds to a trivial build, from its claim to its last uploaded byte, beside makepkg alone."""

import asyncio
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

from benchmarks import trivial
from benchmarks.build import bare_makepkg
from benchmarks.running import Skipped, demand, scratch, up
from benchmarks.table import Row
from quarters.protocol.client import Client
from quarters.protocol.resources import BuildRequest
from tests import engines

_ROUNDS = 7
_NEEDED = 3
_PATIENCE = 120.0
_GOALS = {"sandbox": 0.4, "container": 1.0}
"""Seconds that each executor may add."""


def rows() -> list[Row]:
    """Of all executors, with nothing to install and with three packages."""
    demand("bwrap", "git", "makepkg", "pacman", "setpriv", "fakeroot")
    return [*of("sandbox", {}), *_of_containers()]


def _of_containers() -> list[Row]:
    """With a Docker Engine of its own, whose containers have a root of this machine's packages."""
    with scratch() as folder:
        try:
            engines.root(folder / "root.tar")
            with engines.docker(on_disk=True) as address:
                settings = {
                    "ENGINE": address,
                    "ROOT": str(folder / "root.tar"),
                    "NETWORK": "host",
                    "PACKAGES": "",
                    "UPGRADE": "false",
                    "REFRESH": "0",
                }
                return of("container", {f"QUARTERS_CONTAINER__{name}": it for name, it in settings.items()})
        except engines.Unavailable as why:
            raise Skipped(str(why)) from why


def of(executor: str, settings: dict[str, str]) -> list[Row]:
    """Medians of several rounds; in each makepkg alone and both kinds of build, so that all see the same machine."""
    with scratch() as folder:
        needed = [f"needed-{number}" for number in range(_NEEDED)]
        names = [f"{kind}-{number}" for number in range(_ROUNDS + 1) for kind in ("alone", "with")]
        for name in (*needed, *names):
            trivial.write_recipe(folder / "tree" / name, name, needed if name.startswith("with") else ())
        trivial.commit(folder / "tree")
        with up(folder, 1, **{"QUARTERS_BUILDER__EXECUTOR": executor, **settings}) as server:
            client = Client(server.connection.url, server.connection.token)
            times = asyncio.run(_alternating(client, folder, needed))
    # The first round warms the disk's cache and all programs.
    medians = _Times(*(median(column) for column in zip(*times[1:], strict=True)))
    installed = medians.makepkg + medians.pacman
    return [
        *_rows(executor, "nothing", medians.alone, medians.makepkg, f"makepkg: {medians.makepkg:.3f} s"),
        *_rows(
            executor,
            f"{_NEEDED} packages",
            medians.with_needed,
            installed,
            f"makepkg, pacman: {installed:.3f} s",
        ),
    ]


class _Times(NamedTuple):
    """Seconds that each thing takes: the bare tools, a build with nothing to install, and one with packages."""

    makepkg: float
    pacman: float
    alone: float
    with_needed: float


def _rows(executor: str, what: str, seconds: float, bare: float, rival: str) -> tuple[Row, Row]:
    goal, more = _GOALS[executor], seconds - bare
    return (
        Row(f"{executor}, claim to uploaded, {what} to install", seconds, "s", rival, seconds / bare),
        Row("of it by the executor", more, "s", goal=f"at most {goal} s", met=more <= goal),
    )


async def _alternating(client: Client, folder: Path, needed: list[str]) -> list[_Times]:
    async with client:
        repository, arch = await trivial.follow(client, folder / "tree")
        server = f"{client.url}/repo/{repository}/{arch}"
        for name in needed:
            await _built(client, repository, name)
        times = []
        for number in range(_ROUNDS + 1):
            bare = await asyncio.to_thread(bare_makepkg, folder / "bare" / str(number), f"bare-{number}")
            installing = await asyncio.to_thread(_bare_pacman, folder / f"root-{number}", server, needed)
            alone = await _built(client, repository, f"alone-{number}")
            with_needed = await _built(client, repository, f"with-{number}")
            times.append(_Times(bare, installing, alone, with_needed))
        return times


def _bare_pacman(root: Path, server: str, names: list[str]) -> float:
    """Seconds that pacman takes to install from `server` into an empty root, as `makepkg --syncdeps` would ask it to."""
    (root / "var/lib/pacman").mkdir(parents=True)
    repository = server.split("/")[-2]
    configuration = root.with_suffix(".conf")
    configuration.write_text(f"[options]\nSigLevel = Never\n[{repository}]\nServer = {server}\n")
    command = [
        "pacman",
        "--root",
        str(root),
        "--cachedir",
        str(root / "cache"),
        "--config",
        str(configuration),
    ]
    command += ["--noconfirm", "--noprogressbar", "-Sy", "--asdeps", "--needed", *names]
    began = perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pacman failed: {done.stdout}{done.stderr}")
    return perf_counter() - began


async def _built(client: Client, repository: str, name: str) -> float:
    """Seconds from the claim of a build to its last uploaded byte; it is published before this returns."""
    requested = await client.builds.request(BuildRequest(packages=(name,), repository=repository))
    claimed = uploaded = datetime.now(UTC)
    async with asyncio.timeout(_PATIENCE):
        async for event in client.events.follow(0):
            if event.data.get("pkgbase") != name:
                continue
            if event.kind == "build.running":
                claimed = event.at
            elif event.kind == "build.publishing":
                uploaded = event.at
            elif event.kind == "build.succeeded":
                return (uploaded - claimed).total_seconds()
            elif event.kind == "build.failed":
                break
    ended = [await client.builds.show(number) for number in requested.builds]
    raise RuntimeError(f"{name} was not built: {' '.join(build.message for build in ended)}")
