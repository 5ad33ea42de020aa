"""Container engines of the tests' own, and a small root for them to import, made of this machine's packages."""

import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from quarters.builder.roots import HostRoot

_PACKAGES = """
bash coreutils findutils sed grep gawk gzip bzip2 tar diffutils patch util-linux libc-bin dash perl-base perl python3
makepkg pacman-package-manager libarchive-tools fakeroot gpg gpg-agent git zstd xz-utils file gcc make libc6-dev curl
ca-certificates
"""
_LEFT_OUT = re.compile(r"/usr/share/(doc|man|locale|info|lintian)/")
_PATIENCE = 60.0


class Unavailable(Exception):
    """There is no such engine on this machine; the sentence says why."""


@contextmanager
def docker(*, on_disk: bool = False) -> Iterator[str]:
    """The address of a Docker Engine without a bridge: its containers have this machine's network or none."""
    with _folder("dockerd", "containerd", "runc", on_disk=on_disk) as folder:
        (folder / "none.json").write_text("{}")
        # fmt: off
        command = [
            "dockerd", "--iptables=false", "--bridge=none", "--host", f"unix://{folder}/socket",
            "--data-root", f"{folder}/data", "--exec-root", f"{folder}/run", "--pidfile", f"{folder}/pid",
            "--config-file", f"{folder}/none.json",
        ]
        # fmt: on
        with _serving(command, folder, dict(os.environ)) as address:
            yield address


@contextmanager
def podman() -> Iterator[str]:
    """The address of a Podman service."""
    with _folder("podman", "runc", "conmon") as folder:
        (folder / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'
            f'[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
            f'tmp_dir = "{folder}/tmp"\nvolume_path = "{folder}/volumes"\n'
        )
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/data"\nrunroot = "{folder}/run"\n'
        )
        environ = {
            **os.environ,
            "CONTAINERS_CONF": f"{folder}/containers.conf",
            "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf",
        }
        command = ["podman", "system", "service", "--time=0", f"unix://{folder}/socket"]
        with _serving(command, folder, environ) as address:
            yield address


def root(archive: Path) -> None:
    """Write a tar archive of a root in which makepkg and pacman work."""
    if shutil.which("dpkg-query") is None:
        raise Unavailable("the root that containers start from is made of Debian's packages")
    skeleton, _ = HostRoot(archive.with_name("skeleton")).layers()
    with tarfile.open(archive, "w") as tar:
        for path in sorted(skeleton.lower.rglob("*")):
            tar.add(path, str(path.relative_to(skeleton.lower)), recursive=False)
        for path in sorted(_files()):
            tar.add(path, str(path)[1:], recursive=False)


@contextmanager
def _folder(*programs: str, on_disk: bool = False) -> Iterator[Path]:
    """A folder for an engine of these programs; its name is short, as those of sockets may have 108 bytes (unix(7))."""
    if os.geteuid() != 0 or not all(map(shutil.which, programs)):
        raise Unavailable(f"a container engine needs root here, and {', '.join(programs)}")
    with TemporaryDirectory(prefix="q-", dir="/var/tmp") as name:
        if not on_disk:  # of the thousands of files of a root, none has to be there tomorrow
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", name], check=True)
        try:
            yield Path(name)
        finally:
            # What engines have mounted they leave to the end of the machine.
            lines = Path("/proc/self/mountinfo").read_text().splitlines()
            points = [point for line in lines if (point := line.split(" ")[4]).startswith(name)]
            for point in reversed(points):
                subprocess.run(["umount", "--lazy", point], check=True)


@contextmanager
def _serving(command: list[str], folder: Path, environ: dict[str, str]) -> Iterator[str]:
    """The address of the engine that `command` starts, as soon as it answers; skips where it does not."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environ
        )
    try:
        began = time.monotonic()
        ask = ["curl", "--silent", "--fail", "--unix-socket", f"{folder}/socket", "http://engine/_ping"]
        while subprocess.run(ask, capture_output=True, check=False).returncode:
            if process.poll() is not None or time.monotonic() - began > _PATIENCE:
                said = (folder / "log").read_text(errors="replace").strip().splitlines() or [""]
                raise Unavailable(f"{command[0]} cannot be started here: {said[-1]}")
            time.sleep(0.05)
        yield f"unix://{folder}/socket"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _files() -> set[Path]:
    listed = subprocess.run(
        ["dpkg-query", "--listfiles", *_closure()], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()
    found = set()
    for line in listed:
        # Packages may still name what lies in /usr by its old place, /bin and such.
        path = Path(os.path.realpath(os.path.dirname(line)), os.path.basename(line))
        kept = line.startswith("/") and str(path).startswith("/usr/") and not _LEFT_OUT.match(str(path))
        if kept and os.path.lexists(path) and (path.is_symlink() or not path.is_dir()):
            found.add(path)
    for folder in (Path("/usr/bin"), Path("/usr/sbin")):
        found |= {it for it in folder.iterdir() if it.is_symlink() and "alternatives" in os.readlink(it)}
    return found


def _closure() -> set[str]:
    """Installed packages that `_PACKAGES` are or need."""
    shown = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package}\t${Depends}, ${Pre-Depends}\t${Provides}\n"],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout  # fmt: skip
    needs: dict[str, list[list[str]]] = {}
    providers: dict[str, str] = {}
    for line in shown.splitlines():
        package, depends, provides = line.split("\t")
        needs[package] = [[_name(it) for it in either.split("|")] for either in depends.split(",")]
        providers |= {_name(it): package for it in provides.split(",")}
    found: set[str] = set()
    waiting = _PACKAGES.split()
    while waiting:
        package = waiting.pop()
        if package not in found and package in needs:
            found.add(package)
            for either in needs[package]:
                waiting += [it if it in needs else providers.get(it, "") for it in either]
    return found


def _name(dependency: str) -> str:
    return re.split(r"[ :(]", dependency.strip())[0]
