"""Real processes to measure: `quarters up` and further builders in a folder of their own, gone afterwards."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from quarters.cli.connection import Connection, read

QUARTERS = (sys.executable, "-P", "-m", "quarters.cli")


class Skipped(Exception):
    """A benchmark cannot be run on this machine; the sentence says why."""


def demand(*tools: str) -> None:
    """Skipped unless this is root's machine with all of `tools`: builds are isolated with mounts."""
    if os.geteuid() != 0:
        raise Skipped("builds are isolated with mounts, which needs root; run it with sudo.")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise Skipped(f"{', '.join(missing)} cannot be found; scripts/setup installs what is needed.")


def resident(process: int) -> int:
    """Bytes of memory that a process has."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder on a disk, not in memory, that every user may enter."""
    with TemporaryDirectory(prefix="quarters-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@dataclass(frozen=True)
class Up:
    """A running `quarters up`: how to reach it as its administrator, and its process."""

    connection: Connection
    process: int
    environ: Mapping[str, str]


@contextlib.contextmanager
def up(folder: Path, slots: int = 1, **settings: str) -> Iterator[Up]:
    """`quarters up` on a free port, with its data in `folder`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("QUARTERS_")}
    data = folder / "data"
    environ = kept | {
        "XDG_CONFIG_HOME": str(folder / "home"),
        "QUARTERS_STORAGE__DATA": str(data),
        **settings,
    }
    command = [*QUARTERS, "up", "--port", "0", "--slots", str(slots)]
    with _running(command, environ, folder / "up.log") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if re.match(r"Quarters is up", line):
                break
        else:
            raise RuntimeError(f"`quarters up` ended: {(folder / 'up.log').read_text()}")
        connection = read(data / "client.json")
        assert connection is not None
        yield Up(connection, process.pid, environ)


@dataclass(frozen=True)
class Server:
    """A running `quarters server`: how to reach it as its administrator, and its process."""

    connection: Connection
    process: int
    data: Path


@contextlib.contextmanager
def server(folder: Path, **settings: str) -> Iterator[Server]:
    """`quarters server` on a free port, with its data in `folder`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("QUARTERS_")}
    data = folder / "data"
    environ = kept | {
        "XDG_CONFIG_HOME": str(folder / "home"),
        "QUARTERS_STORAGE__DATA": str(data),
        **settings,
    }
    with _running([*QUARTERS, "server", "--port", "0"], environ, folder / "server.log") as process:
        assert process.stdout is not None
        if not process.stdout.readline().startswith("Quarters listens"):
            raise RuntimeError(f"`quarters server` ended: {(folder / 'server.log').read_text()}")
        connection = read(data / "client.json")
        assert connection is not None
        yield Server(connection, process.pid, data)


@contextlib.contextmanager
def builder(server: Up, name: str, secret: str, folder: Path) -> Iterator[int]:
    """One more builder with a folder of its own; yields its process."""
    token = folder / f"{name}.token"
    token.write_text(secret)
    command = [*QUARTERS, "builder", "--name", name, "--server", server.connection.url]
    command += ["--data", str(folder / name), "--token-file", str(token)]
    with _running(command, server.environ, folder / f"{name}.log") as process:
        yield process.pid


@contextlib.contextmanager
def _running(command: list[str], environ: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, env=dict(environ))
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
