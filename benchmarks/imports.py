"""How fast a repository is imported, beside repo-add over the same files: `python -m benchmarks.imports [PACKAGES]`."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import msgspec

from benchmarks.packages import ARCH, Library
from benchmarks.running import QUARTERS, Server, Skipped, scratch, server
from benchmarks.stock import NAME
from benchmarks.table import Row, show
from quarters.formats import pages
from quarters.formats.pacman import Pacman
from quarters.model.repository import Compression
from quarters.protocol.client import Client
from quarters.protocol.resources import NewRepository
from quarters.transfer.importing import Report

_GOAL = 350e6


def rows(count: int = 15_000) -> list[Row]:
    """One import of all, one more that finds nothing to do, and the rival with a part of them, as it takes so long."""
    if shutil.which("repo-add") is None:
        raise Skipped("repo-add cannot be found; scripts/setup installs what is needed.")
    with scratch() as folder:
        origin = folder / "theirs"
        files = _repository(origin, count)
        sample = files[:: max(1, len(files) // 1_000)][:1_000]
        with server(folder) as running:
            asyncio.run(_create(running))
            first, seconds, client = _imported(running, origin)
            _again, idle, _ = _imported(running, origin)
            memory = _most_memory(running.process)
        if first.packages != count or first.refused:
            raise RuntimeError(f"{first.packages} of {count} packages were imported: {first.refused[:3]}")
        rival = len(sample) / _repo_add(folder / "rival", sample)
        rate = count / seconds
        what = f"import of {count:,} packages"
        return [
            Row(what, rate, "packages/s", f"cp + repo-add {rival:.1f}/s ({len(sample):,})", rate / rival),
            Row(f"{what}, until visible", seconds, "s"),
            Row(f"{what}, once more", idle, "s"),
            Row("memory of the server meanwhile", memory / 2**20, "MiB", goal="< 350 MB", met=memory < _GOAL),
            Row("memory of the command", client / 2**20, "MiB"),
        ]


def _repository(folder: Path, count: int) -> list[Path]:
    """Package files and the index that repo-add would make of them, which would take it a quarter of an hour."""
    folder.mkdir()
    library, format = Library(), Pacman()
    parts, files = {}, []
    print(f"bench: import, making {count:,} packages …", file=sys.stderr)
    for number in range(count):
        path = library.written(number, folder)
        read = format.read_package(path, path.name)
        parts[read.name] = read.index
        files.append(path)
    for name, data in pages.whole(format, NAME, parts, Compression.GZIP).items():
        (folder / name).write_bytes(data)
        (folder / name.removesuffix(".tar.gz")).symlink_to(name)
    return files


async def _create(running: Server) -> None:
    async with Client(running.connection.url, running.connection.token) as client:
        await client.repositories.create(NewRepository(name=NAME, arches=(ARCH,)))


def _imported(running: Server, origin: Path) -> tuple[Report, float, int]:
    """What the command reports, how long it took in seconds, and the most memory that it had in bytes."""
    where = running.connection
    environ = {**os.environ, "QUARTERS_URL": where.url, "QUARTERS_TOKEN": where.token}
    command = [*QUARTERS, "repo", "import", NAME, str(origin), "--json"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        began = perf_counter()
        assert process.stdout is not None
        said = process.stdout.read()
        _, _, usage = os.wait4(process.pid, 0)
        took = perf_counter() - began
        process.returncode = 0
    return msgspec.json.decode(said, type=Report), took, usage.ru_maxrss * 1024


def _most_memory(process: int) -> int:
    """The most memory that a process ever had, in bytes (proc(5), VmHWM)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the process {process} says nothing of its memory")


def _repo_add(folder: Path, files: Sequence[Path]) -> float:
    """Seconds to copy the files and to make one index of them, unsigned, in one call; brought to the disk at the end."""
    folder.mkdir()
    began = perf_counter()
    for path in files:
        shutil.copy(path, folder)
    command = ["repo-add", "--quiet", str(folder / f"{NAME}.db.tar.gz")]
    command += [str(folder / path.name) for path in files]
    subprocess.run(command, check=True, env={**os.environ, "LC_ALL": "C"}, stdout=subprocess.DEVNULL)
    os.sync()
    return perf_counter() - began


if __name__ == "__main__":
    show(rows(*map(int, sys.argv[1:])))
