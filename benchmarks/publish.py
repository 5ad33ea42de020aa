"""How fast packages are published, beside repo-add on the same disk: `python -m benchmarks.publish [UPLOADS]`."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from urllib.request import urlopen

import msgspec

from benchmarks.packages import ARCH, Library
from benchmarks.publisher import Result
from benchmarks.running import Skipped, scratch, server
from benchmarks.stock import NAME
from benchmarks.table import Row, show
from quarters.protocol.client import Client
from quarters.protocol.resources import NewRepository

_SIZES = (0, 2_500, 15_000)
_ONES = 15
_HUNDREDS = 3
_NEW = 1_000_000  # numbers of packages that are not in stock
_CLIENTS = 8
_BY_HAND = 50  # for each further one repo-add takes longer
_STARTS = 3
_SNAPSHOTS = 1_000
_KEPT_INDEXES = 3


def rows(uploads: int = 5_000) -> list[Row]:
    """All of it; repo-add is given few rounds where it takes long."""
    if shutil.which("repo-add") is None:
        raise Skipped("repo-add cannot be found; scripts/setup installs what is needed.")
    with scratch() as folder:
        shelf = folder / "files"
        shelf.mkdir()
        library = Library()
        files = [
            library.written(_NEW + number, shelf) for number in range(max(uploads, _ONES + 100 * _HUNDREDS))
        ]
        measured = [row for size in _SIZES for row in _beside_repo_add(folder / str(size), size, files)]
        rival = _one_by_one(folder / "by-hand", files[:_BY_HAND])
        measured += asyncio.run(_over_http(folder / "http", files[:uploads], rival))
        return [*measured, _cold_start(folder / "cold")]


def _beside_repo_add(folder: Path, size: int, files: Sequence[Path]) -> list[Row]:
    _stock(folder, size, 1)
    rival = folder / "rival"
    rival.mkdir()
    for path in (folder / "data" / "index" / NAME).glob(f"*/{ARCH}/*.tar.gz"):
        shutil.copy(path, rival)
    print(f"bench: publish, {size:,} packages …", file=sys.stderr)
    groups = [[path] for path in files[:_ONES]]
    groups += [list(files[_ONES + 100 * at :][:100]) for at in range(_HUNDREDS)]
    result = _published(folder, groups)
    one, hundred = median(result.seconds[:_ONES]), median(result.seconds[_ONES:])
    rounds = 3 if size < 10_000 else 2
    their_one = median(_repo_add(rival, [path]) for path in files[:rounds])
    their_hundred = _repo_add(rival, files[_ONES:][:100])
    large = size == max(_SIZES)
    written = [
        Row(
            f"add 1 package to {size:,}",
            one,
            "s",
            f"repo-add {their_one:.2f} s",
            one / their_one,
            "< 0.06 s, < 0.01x" if large else "",
            one < 0.06 and one / their_one < 0.01 if large else None,
        ),
        Row(
            f"add 100 packages to {size:,}",
            hundred,
            "s",
            f"repo-add {their_hundred:.2f} s",
            hundred / their_hundred,
            "< 0.6 s" if large else "",
            hundred < 0.6 if large else None,
        ),
    ]
    if large:
        memory, leaked = result.memory / 2**20, _leaked(folder / "data", sum(map(len, groups)))
        written.append(
            Row("memory of the server meanwhile", memory, "MiB", goal="< 350 MB", met=memory < 333)
        )
        written.append(Row("files left over", leaked, "", goal="0", met=leaked == 0))
    return written


def _stock(folder: Path, size: int, snapshots: int) -> None:
    command = [sys.executable, "-m", "benchmarks.stock", str(folder), str(size), str(snapshots)]
    subprocess.run(command, check=True)


def _published(folder: Path, groups: Sequence[Sequence[Path]]) -> Result:
    asked = msgspec.json.encode([[str(path) for path in group] for group in groups])
    command = [sys.executable, "-m", "benchmarks.publisher", str(folder)]
    done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Result)


def _repo_add(folder: Path, files: Sequence[Path]) -> float:
    """Seconds that repo-add takes, without signing and without bringing anything to the disk."""
    command = ["repo-add", "--quiet", str(folder / f"{NAME}.db.tar.gz"), *map(str, files)]
    began = perf_counter()
    subprocess.run(command, check=True, env={**os.environ, "LC_ALL": "C"}, stdout=subprocess.DEVNULL)
    return perf_counter() - began


def _leaked(data: Path, published: int) -> int:
    """Files beyond the packages, and folders beyond the indexes that are to be kept."""
    kept = sum(1 for it in (data / "packages").glob("*/*") if it.is_file())
    indexes = sum(1 for _ in (data / "index" / NAME).iterdir())
    waiting = sum(1 for it in (data / "uploads").rglob("*") if it.is_file())
    return kept - published + max(0, indexes - _KEPT_INDEXES) + waiting


def _one_by_one(folder: Path, files: Sequence[Path]) -> float:
    """Packages per second where each is copied and then added to the database, beginning with an empty one."""
    folder.mkdir()
    began = perf_counter()
    for path in files:
        shutil.copy(path, folder)
        _repo_add(folder, [path])
    return len(files) / (perf_counter() - began)


async def _over_http(folder: Path, files: Sequence[Path], rival: float) -> list[Row]:
    folder.mkdir()
    with server(folder) as running:
        where = running.connection
        async with Client(where.url, where.token) as client:
            await client.repositories.create(NewRepository(name=NAME, arches=(ARCH,)))
        left = list(reversed(files))
        times: list[float] = []

        async def work() -> None:
            async with Client(where.url, where.token) as client:
                while left:
                    path = left.pop()
                    began = perf_counter()
                    await client.repositories.publish(NAME, path)
                    times.append(perf_counter() - began)

        began = perf_counter()
        await asyncio.gather(*(work() for _ in range(_CLIENTS)))
        took = perf_counter() - began
    what = f"{len(files):,} uploads by {_CLIENTS} clients"
    return [
        Row(
            f"{what}, until visible",
            len(files) / took,
            "packages/s",
            f"cp and repo-add one by one, {rival:.2f}/s for the first {_BY_HAND}",
            len(files) / took / rival,
        ),
        Row(f"{what}, 99 of 100 within", quantiles(times, n=100)[98], "s"),
    ]


def _cold_start(folder: Path) -> Row:
    _stock(folder, max(_SIZES), _SNAPSHOTS)
    times = []
    for _ in range(_STARTS):
        began = perf_counter()
        with server(folder) as running:
            with urlopen(f"{running.connection.url}/repo/{NAME}/{ARCH}/{NAME}.db") as answer:
                answer.read()
            times.append(perf_counter() - began)
    name = f"cold start, {max(_SIZES):,} packages and {_SNAPSHOTS:,} snapshots"
    return Row(name, median(times), "s", goal="< 1.5 s", met=median(times) < 1.5)


if __name__ == "__main__":
    show(rows(*map(int, sys.argv[1:])))
