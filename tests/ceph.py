"""A real S3 server of its own: Ceph's gateway over one monitor and one store in memory; ready in some fifteen seconds."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

KEY, SECRET = "key", "secret-of-tests"
TOOLS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin", "curl")

_CONFIG = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor}/0
keyring = {folder}/keyring
run dir = {folder}
log file = {folder}/$name.log
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 0
public network = 127.0.0.0/8
rgw thread pool size = 16
"""
_CAPS = {
    "mon.": ("mon",),
    "client.admin": ("mon", "osd", "mgr"),
    "osd.0": ("mon", "osd"),
}


def present() -> bool:
    """Whether all that it takes is installed."""
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in TOOLS)


@contextlib.contextmanager
def gateway(folder: Path) -> Iterator[str]:
    """The address of an S3 server, to which `KEY` and `SECRET` give access."""
    cluster = _Cluster(folder)
    try:
        cluster.prepare()
        yield cluster.start()
    finally:
        cluster.stop()


class _Cluster:
    """The programs, and how to run one within their folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._monitor = _free()
        self._environ = {**os.environ, "CEPH_CONF": str(folder / "ceph.conf")}
        self._processes: list[subprocess.Popen[bytes]] = []

    def prepare(self) -> None:
        """Make keys and empty stores."""
        fsid = str(uuid4())
        (self._folder / "osd").mkdir(parents=True)
        config = _CONFIG.format(fsid=fsid, monitor=self._monitor, folder=self._folder)
        (self._folder / "ceph.conf").write_text(config)
        for number, (name, parts) in enumerate(_CAPS.items()):
            caps = [word for part in parts for word in ("--cap", part, "allow *")]
            self._run(
                "ceph-authtool", *(() if number else ("-C",)), "keyring", "--gen-key", "-n", name, *caps
            )
        monitor = ("--addv", "a", f"[v2:127.0.0.1:{self._monitor}]")
        self._run("monmaptool", "--create", "--fsid", fsid, *monitor, "monmap")
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring")

    def start(self) -> str:
        """Start all; returns the gateway's address once it answers."""
        self._start("ceph-mon", "-i", "a", "-f")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", str(uuid4()))
        self._run("ceph", "osd", "create")
        self._run("ceph", "auth", "add", "osd.0", "-i", "keyring")
        self._start("ceph-osd", "-i", "0", "-f")
        self._run("ceph", "osd", "crush", "add", "osd.0", "1", "root=default")
        user = ("--uid=tests", "--display-name=Tests", f"--access-key={KEY}", f"--secret-key={SECRET}")
        self._run("radosgw-admin", "user", "create", *user)
        port = _free()
        front = f"--rgw_frontends=beast endpoint=127.0.0.1:{port}"
        self._start("radosgw", "-n", "client.admin", "-f", front)
        _wait(port, self._folder / "radosgw.out")
        return f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """End what was started, the last first."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _run(self, *command: str) -> None:
        subprocess.run(
            command, env=self._environ, cwd=self._folder, check=True, capture_output=True, timeout=90
        )

    def _start(self, *command: str) -> None:
        with (self._folder / f"{command[0]}.out").open("wb") as said:
            started = subprocess.Popen(command, env=self._environ, cwd=self._folder, stdout=said, stderr=said)
        self._processes.append(started)


def signed(*arguments: str) -> None:
    """Ask the gateway for something that its clients' libraries do not, as the holder of the key."""
    unsigned = ("--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD")
    who = ("--aws-sigv4", "aws:amz:default:s3", "--user", f"{KEY}:{SECRET}", *unsigned)
    subprocess.run(["curl", "--silent", "--fail", *who, *arguments], check=True, capture_output=True)


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait(port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(log.read_text())
