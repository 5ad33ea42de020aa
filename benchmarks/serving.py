"""Requests for files that one process answers per second of its CPU time, beside nginx: `python -m benchmarks serving`."""

import asyncio
import contextlib
import random
import re
import socket
import string
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.nginx import CONFIG, nginx
from benchmarks.running import Server, demand, free_port, resident, scratch, server
from benchmarks.table import Row
from quarters.protocol.client import Client
from quarters.protocol.resources import NewRepository
from tests.press import package

ROUNDS = 3
SECONDS = 4
MANY = 1000
SMALL = "30 KB"
WORDY = 4
SNAPSHOT = 1 + 2 + WORDY
ARCH = "x86_64"
FRONT = "/from-quarters"


class Load(NamedTuple):
    """What wrk got: requests per second, and per second of the server's CPU time."""

    rate: float
    per_cpu: float


@dataclass(frozen=True)
class Rival:
    """A server under measurement: where it has each kind of file, and the processes whose CPU time it takes."""

    urls: Mapping[str, str]
    processes: tuple[int, ...]

    def load(self, kind: str, connections: int) -> Load:
        """Ask for one file again and again."""
        command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}", "--timeout", "30", self.urls[kind]]
        before = cpu(self.processes)
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        spent = cpu(self.processes) - before
        if "Non-2xx" in said or "Socket errors" in said:
            raise RuntimeError(f"{self.urls[kind]}: {said}")
        found = re.search(r"(\d+) requests in", said)
        assert found is not None, said
        return Load(int(found[1]) / SECONDS, int(found[1]) / spent)


def rows() -> list[Row]:
    """Medians of three rounds in which the rivals take turns."""
    demand("nginx", "wrk")
    with scratch() as folder:
        with server(folder) as quarters:
            asyncio.run(_publish(quarters, folder))
        with nginx(folder, CONFIG.format(port=(port := free_port()), root=folder / "plain")) as alone:
            urls = _gathered(folder, f"http://127.0.0.1:{port}")
            with server(folder) as quarters:
                own = Rival(_urls(quarters.connection.url), (quarters.process,))
                measured = _beside(own, Rival(urls, (alone,)), "", 0.5)
                measured += _memory(quarters, own.urls["5 MB"])
            with _fronted(folder) as fronted:
                measured += _beside(fronted, Rival(urls, (alone,)), " by nginx in front", 0.9)
                # A package of a named snapshot is never linked: as the first request for any file is answered.
                first = {SMALL: fronted.urls[SMALL].replace("/bench/", f"/bench@{SNAPSHOT}/")}
                asked = Rival(first, fronted.processes)
                measured += _beside(asked, Rival(urls, (alone,)), " by X-Accel-Redirect")
    return measured


def _beside(own: Rival, alone: Rival, how: str, goal: float | None = None) -> list[Row]:
    found = []
    for kind in own.urls:
        for connections in (32, MANY):
            rounds = [(own.load(kind, connections), alone.load(kind, connections)) for _ in range(ROUNDS)]
            value = median(mine.per_cpu for mine, _ in rounds)
            ratio = median(mine.per_cpu / its.per_cpu for mine, its in rounds)
            speed = median(mine.rate / its.rate for mine, its in rounds)
            found.append(
                Row(
                    f"{kind}{how}, {connections:,} connections",
                    round(value),
                    "requests/CPU s",
                    f"nginx alone ({speed:.2f}x its requests/s)",
                    ratio,
                    "" if goal is None else f">= {goal}x",
                    None if goal is None else ratio >= goal,
                )
            )
    return found


def _memory(quarters: Server, url: str) -> list[Row]:
    """What 1,000 clients cost that ask for five megabytes and take nothing."""
    before = resident(quarters.process)
    place = urlsplit(url)
    request = f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        for _ in range(MANY):
            client = stack.enter_context(socket.create_connection((place.hostname or "", place.port or 0)))
            client.sendall(request)
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        more = (resident(quarters.process) - before) / (1 << 20)
    return [
        Row("memory for 1,000 readers that stand still at 5 MB", more, "MB", goal="< 50 MB", met=more < 50)
    ]


@contextlib.contextmanager
def _fronted(folder: Path) -> Iterator[Rival]:
    with server(folder, QUARTERS_SERVER__ACCEL=FRONT) as quarters:
        port = free_port()
        packaged = Path(__file__).parent.parent / "packaging" / "nginx.conf"
        front = packaged.read_text()
        for standing, here in {
            "127.0.0.1:8710": urlsplit(quarters.connection.url).netloc,
            "listen 80": f"listen 127.0.0.1:{port}",
            "listen [::]:80": f"listen [::1]:{port}",
            "/var/lib/quarters": str(folder / "data"),
        }.items():
            front = front.replace(standing, here)
        with nginx(folder / "front", front) as process:
            yield Rival(_urls(f"http://127.0.0.1:{port}"), (process, quarters.process))


def _urls(base: str) -> dict[str, str]:
    return {
        SMALL: f"{base}/repo/bench/{ARCH}/small-1.0-1-{ARCH}.pkg.tar.gz",
        "5 MB": f"{base}/repo/bench/{ARCH}/large-1.0-1-{ARCH}.pkg.tar.gz",
        "2 MB database": f"{base}/repo/bench@{SNAPSHOT}/{ARCH}/bench.db",
    }


def _gathered(folder: Path, base: str) -> dict[str, str]:
    """The same files where nginx has them as files of a folder."""
    plain = folder / "plain"
    plain.mkdir(exist_ok=True)
    found = {}
    for name, url in _urls("").items():
        source = folder / url.rpartition("/")[2]
        if not source.exists():
            [source] = (folder / "data" / "index" / "bench").glob(f"{SNAPSHOT}-*/{ARCH}/bench.db.tar.gz")
        (plain / source.name).write_bytes(source.read_bytes())
        found[name] = f"{base}/{source.name}"
    return found


async def _publish(quarters: Server, folder: Path) -> None:
    """Packages of 30 KB and 5 MB, and some with so much to say of themselves that the database has 2 MB."""
    chance = random.Random(1)
    noise = ["".join(chance.choices(string.ascii_letters + string.digits, k=n)) for n in (39_500, 7_000_000)]
    made = [package("small", text=noise[0]), package("large", text=noise[1])]
    for number in range(WORDY):
        words = "".join(chance.choices(string.ascii_letters + string.digits, k=700_000))
        made.append(package(f"wordy{number}", more=f"group = {words}\n"))
    async with Client(quarters.connection.url, quarters.connection.token) as client:
        await client.repositories.create(NewRepository(name="bench", arches=(ARCH,)))
        for it in made:
            path = folder / it.file_name
            path.write_bytes(it.content)
            await client.repositories.publish("bench", path)


def cpu(processes: tuple[int, ...]) -> float:
    """Seconds of CPU time that processes took, with all of their threads."""
    tasks = [task for process in processes for task in Path(f"/proc/{process}/task").iterdir()]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
