"""A Slurm of the tests' own: one node, which is this machine, on loopback, with a munged that nobody else uses."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
_PATIENCE = 60.0
_CONF = """\
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=20
SlurmdTimeout=10
NodeName=localhost NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """Its controller runs; its node does from `start_node` to `lose_node`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.conf = folder / "slurm.conf"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def begin(self) -> None:
        """Start munged and the controller."""
        for name in ("state", "spool"):
            (self._folder / name).mkdir()
        ctld_port, slurmd_port = _free_ports(2)
        self.conf.write_text(_CONF.format(folder=self._folder, ctld_port=ctld_port, slurmd_port=slurmd_port))
        key = self._folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        places = {
            "key-file": key,
            "socket": self._folder / "munge.socket",
            "pid-file": self._folder / "munge.pid",
        }
        places |= {"seed-file": self._folder / "munge.seed", "log-file": self._folder / "munge.log"}
        self._start(
            "munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in places.items())
        )
        self._until(lambda: places["socket"].exists())
        self._start("slurmctld", "-D")
        self._until(lambda: self.run("sinfo").returncode == 0)

    def start_node(self) -> None:
        """Have a node that runs jobs."""
        self._start("slurmd", "-D", "-N", "localhost")
        self._until(
            lambda: (
                self.run("sinfo", "--noheader", "--format=%T").stdout.strip()
                in ("idle", "mixed", "allocated")
            )
        )

    def lose_node(self) -> None:
        """Cut its power."""
        node = self._processes.pop("slurmd")
        inside = [pid for pid in _all_processes() if _is_of(pid, self._folder)]
        node.kill()
        node.wait()
        for pid in inside:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue

    def jobs(self) -> list[str]:
        """States of the jobs that have not ended."""
        return self.run("squeue", "--noheader", "--format=%T").stdout.split()

    def until(self, states: list[str]) -> None:
        """Return once those are the states of the jobs."""
        self._until(lambda: self.jobs() == states)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """One of Slurm's commands."""
        return subprocess.run(command, env=self._environ, capture_output=True, text=True, check=False)

    def end(self) -> None:
        """Stop all of it."""
        self.run("scancel", "--user=root")
        for name in ("slurmd", "slurmctld", "munged"):
            if process := self._processes.get(name):
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    @property
    def _environ(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    def _start(self, *command: str) -> None:
        with (self._folder / "output").open("ab") as log:
            self._processes[command[0]] = subprocess.Popen(
                command, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _until(self, true: Callable[[], bool]) -> None:
        began = time.monotonic()
        while not true():
            if time.monotonic() - began > _PATIENCE:
                said = (self._folder / "output").read_text(errors="replace").strip().splitlines() or [""]
                pytest.skip(f"Slurm cannot be started here: {said[-1]}")
            time.sleep(0.1)


@contextmanager
def slurm_in(folder: Path) -> Iterator[Slurm]:
    """A Slurm without a node yet; skips where it is not installed."""
    if os.geteuid() != 0 or not all(map(shutil.which, _PROGRAMS)):
        pytest.skip(f"Slurm needs root here, and {', '.join(_PROGRAMS)}")
    folder.mkdir(mode=0o755)
    slurm = Slurm(folder)
    try:
        slurm.begin()
        yield slurm
    finally:
        slurm.end()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [it.getsockname()[1] for it in sockets]
    for it in sockets:
        it.close()
    return ports


def _all_processes() -> list[int]:
    return [int(it.name) for it in Path("/proc").iterdir() if it.name.isdigit()]


def _is_of(pid: int, folder: Path) -> bool:
    """Whether it is a step of this Slurm's, or a job."""
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    own = str(folder).encode()
    return (name == "slurmstepd" and own in environ) or (
        b"SLURM_JOB_ID=" in environ and own.rpartition(b"/")[0] in words + environ
    )
