"""A real OpenSSH server on loopback, over which git repositories in a folder are fetched and pushed."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Ssh:
    """The server: `folder` is where the repositories are, `url` what leads there, `command` how git gets in."""

    folder: Path
    url: str
    command: str


@contextmanager
def ssh_server(folder: Path) -> Iterator[Ssh]:
    """It takes one key, for the user who runs it."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "sshd is not installed; scripts/setup --dev installs it"
    folder.mkdir()
    for name in ("host", "mine"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized").write_text((folder / "mine.pub").read_text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
    }
    (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([program, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        places = f"-o UserKnownHostsFile={folder / 'known'} -o StrictHostKeyChecking=accept-new -F none"
        command = f"ssh -i {folder / 'mine'} -o IdentitiesOnly=yes {places}"
        yield Ssh(folder, f"ssh://{getpass.getuser()}@127.0.0.1:{port}{folder}", command)
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("sshd does not answer")
