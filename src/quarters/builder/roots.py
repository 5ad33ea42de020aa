"""The clean systems that builds start from: one made of this machine's own parts, or a prepared folder."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from quarters.builder.bubblewrap import Layer
from quarters.builder.command import BUILD_USER
from quarters.builder.failure import BuilderUnusable

# Parts of /etc that programs read and that say nothing about this machine's people or secrets.
_ETC = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "fonts",
    "java-*-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.conf",
    "localtime",
    "makepkg.conf",
    "makepkg.conf.d",
    "mime.types",
    "perl",
    "pki/tls",
    "pki/ca-trust",
    "protocols",
    "services",
    "sgml",
    "ssl/certs",
    "ssl/cert.pem",
    "ssl/openssl.cnf",
    "xml",
)
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nnobody:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    "etc/hosts": "127.0.0.1 localhost quarters\n::1 localhost\n",
    "var/lib/pacman/local/ALPM_DB_VERSION": "9\n",  # libalpm 13 and later (be_local.c)
}
_FOLDERS = (
    "usr",
    "proc",
    "dev",
    "run",
    "root",
    "opt",
    "home",
    "mnt",
    "srv",
    "tmp",
    "var/tmp",
    "var/log",
    "var/cache",
)
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_LOCAL_DATABASE = Path("var/lib/pacman/local")


class Root(Protocol):
    """A clean system, as layers that are never written to."""

    borrowed: bool
    """Whether pacman finds files there that no package of its own put there."""

    def check(self) -> str:
        """What it is, in words; BuilderUnusable if it is not there."""
        ...

    def layers(self) -> tuple[Layer, ...]:
        """What the overlays of every build start from; BuilderUnusable if it is not there."""
        ...


class DirectoryRoot:
    """A folder that pacstrap or debootstrap prepared."""

    borrowed = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self) -> str:
        """Look for makepkg."""
        if not (self._folder / "usr/bin/makepkg").exists():
            raise BuilderUnusable(
                f"{self._folder} is not a root with makepkg; make one with `pacstrap -c {self._folder} base-devel`."
            )
        return f"the folder {self._folder}"

    def layers(self) -> tuple[Layer, ...]:
        """The folder itself."""
        self.check()
        return (Layer(self._folder),)


class HostRoot:
    """This machine's own /usr over a skeleton in `folder`: no homes, no keys, nothing of Quarters."""

    borrowed = True

    def __init__(self, folder: Path, machine: Path = Path("/")) -> None:
        self._folder = folder
        self._machine = machine

    def check(self) -> str:
        """Look for makepkg, and whether builds would see the builder's data."""
        usr = self._machine / "usr"
        if self._folder.resolve().is_relative_to(usr):
            raise BuilderUnusable(
                f"The builder's data cannot be below {usr}, which builds see; set builder.data."
            )
        if not (usr / "bin/makepkg").exists():
            raise BuilderUnusable(
                "makepkg is missing; install pacman and makepkg, or set builder.root to a folder."
            )
        return f"this machine's {usr}"

    def layers(self) -> tuple[Layer, ...]:
        """Make the skeleton anew, so that it follows the machine's updates."""
        self.check()
        fresh = self._folder.with_name(self._folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._assemble(fresh)
        shutil.rmtree(self._folder, ignore_errors=True)
        fresh.rename(self._folder)
        return (Layer(self._folder), Layer(self._machine / "usr", "usr"))

    def _assemble(self, folder: Path) -> None:
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name in _MERGED:
            if (self._machine / "usr" / name).is_dir():
                (folder / name).symlink_to(Path("usr", name))
        for pattern in _ETC:
            for part in (self._machine / "etc").glob(pattern):
                _copy(part, folder / part.relative_to(self._machine))
        for name, text in _FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
            (folder / name).chmod(0o644)
        database = self._machine / _LOCAL_DATABASE
        if (database / "ALPM_DB_VERSION").is_file():
            shutil.copytree(database, folder / _LOCAL_DATABASE, dirs_exist_ok=True)
        _open_to_all(folder)


class Users(msgspec.Struct, frozen=True):
    """The lines that make the build user known in a root."""

    passwd: str
    group: str


def with_build_user(read: Callable[[str], str]) -> Users:
    """/etc/passwd and /etc/group, as `read` gives them, with the build user in them."""
    return Users(
        _with_line(read("etc/passwd"), f"builder:x:{BUILD_USER}:{BUILD_USER}:builder:/build:/bin/bash"),
        _with_line(read("etc/group"), f"builder:x:{BUILD_USER}:"),
    )


def _with_line(text: str, line: str) -> str:
    taken = any(entry.split(":")[2:3] == [str(BUILD_USER)] for entry in text.splitlines())
    return text if taken else f"{text.rstrip()}\n{line}\n".lstrip()


def _copy(part: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if part.is_dir() and not part.is_symlink():
        shutil.copytree(part, to, symlinks=True, ignore=_unreadable)
    elif not _private(part):
        shutil.copy2(part, to, follow_symlinks=False)


def _open_to_all(folder: Path) -> None:
    # Whatever this process's umask is: every user may look into every folder, as on any system.
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o755)  # noqa: S103
    for name in ("tmp", "var/tmp"):
        (folder / name).chmod(0o1777)


def _unreadable(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if _private(Path(folder, name))]


def _private(path: Path) -> bool:
    # What this machine's own users may not read, a build may not either.
    mode = path.lstat().st_mode
    return not (os.path.islink(path) or mode & 0o004)
