"""A PostgreSQL server of the tests' own: initdb, start and stop as an unprivileged user."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOM = 6 << 30


class Postgresql:
    """A server at `url`, which is without a database name; it can be stopped and started again."""

    def __init__(self, folder: Path, options: str) -> None:
        self._folder = folder
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._options = (
            f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c max_connections=200 {options}"
        )
        self.url = f"postgresql://postgres@127.0.0.1:{port}"

    def make(self) -> None:
        """Make it, in an empty folder."""
        os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")

    def start(self) -> None:
        """Return once it answers."""
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", self._options, "start")

    def stop(self) -> None:
        """Break all connections."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [_programs() / program, "-D", str(self._folder / "data"), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
            user=self._user.pw_uid if os.geteuid() == 0 else None,
            group=self._user.pw_gid if os.geteuid() == 0 else None,
        )


@contextmanager
def own_postgresql(*, durable: bool = False) -> Iterator[Postgresql]:
    """Start a server on a free loopback port."""
    folder = Path(tempfile.mkdtemp(prefix="quarters-postgresql-", dir=None if durable else _place()))
    try:
        server = Postgresql(folder, "" if durable else "-c fsync=off")
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_postgresql(*, durable: bool = False) -> Iterator[str]:
    """Start a server on a free loopback port and yield its URL, without a database name."""
    with own_postgresql(durable=durable) as server:
        yield server.url


def _place() -> str | None:
    """Memory, where there is plenty of it: hundreds of databases are made of thousands of small files each."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free >= _ROOM else None


def _programs() -> Path:
    """Debian keeps initdb and pg_ctl out of PATH, in a folder a version."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    if found is None:
        pytest.fail("PostgreSQL is not installed: run scripts/setup")
    return Path(found).parent
