"""Roots that pacman of this machine installs from mirrors, as pacstrap does: on any machine that has pacman."""

import asyncio
import hashlib
import os
import shlex
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from quarters.builder import dependencies, rootless
from quarters.builder.bubblewrap import INSTALLING
from quarters.builder.failure import BuilderUnusable, BuildFailed
from quarters.builder.keyrings import Keyrings
from quarters.builder.root import tools
from quarters.builder.root.settings import RootSettings
from quarters.builder.workspace import PATH

_MACHINES = Path("/etc/pacman.d/gnupg")
_FOLDERS = (
    "dev",
    "etc/pacman.d",
    "proc",
    "run",
    "sys",
    "tmp",
    "var/cache/pacman/pkg",
    "var/lib/pacman",
    "var/log",
)
_DEVICES = ("full", "null", "random", "urandom", "zero")


class Pacstrap:
    """Downloads with the network; installs, which runs scriptlets, without it and with few of root's rights."""

    def __init__(self, settings: RootSettings, arch: str, data: Path) -> None:
        self._settings = settings
        self._arch = arch
        self._packages = data / "cache" / dependencies.PACKAGES.name
        self._keyrings = Keyrings(data / "cache" / "keyrings")

    def origin(self) -> str:
        """Of all settings but the refresh, and of the file of keys; pacman and keys have to be there."""
        if shutil.which("pacman", path=PATH) is None:
            raise BuilderUnusable("The root pacstrap is installed by pacman, which cannot be found.")
        self._given()
        digest = hashlib.sha256(self._arch.encode())
        digest.update(
            msgspec.json.encode(msgspec.structs.replace(self._settings, refresh=0, image=""), enc_hook=str)
        )
        file = self._settings.keyring
        if file is not None and not file.is_dir():
            digest.update(_keys(file).encode())
        return digest.hexdigest()

    async def make(self, folder: Path) -> None:
        """Install the packages of the settings, and the keyring with which later builds verify others."""
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "tmp").chmod(0o1777)
        self._packages.mkdir(parents=True, exist_ok=True)
        keyring = await self._keyring()
        if keyring is not None:
            await asyncio.to_thread(_copy, keyring, folder / dependencies.KEYRING)
        with TemporaryDirectory(prefix="quarters-", dir="/tmp") as place:
            configuration = Path(place, "pacman.conf")
            configuration.write_text(self._configuration())
            await self._install(folder, configuration)

    async def _install(self, folder: Path, configuration: Path) -> None:
        try:
            await tools.run(*self._pacman(folder, configuration))
        except BuilderUnusable as error:
            if not dependencies.corrupted(str(error)):
                raise
            # pacman has removed what the cache had under that name, so it is downloaded now.
            await tools.run(*self._pacman(folder, configuration))

    def _pacman(self, folder: Path, configuration: Path) -> tuple[str, ...]:
        common = [
            "pacman",
            "--root",
            str(folder),
            "--config",
            str(configuration),
            "--noconfirm",
            "--noprogressbar",
        ]
        common += ["--cachedir", str(self._packages), "--gpgdir", str(folder / dependencies.KEYRING)]
        common += ["--color", "never"]
        rights = ",".join(f"+{name.lower()}" for name in INSTALLING)
        limited = [
            "unshare",
            "--net",
            "--",
            "setpriv",
            f"--bounding-set=-all,{rights}",
            "--inh-caps=-all",
            "--",
        ]
        wanted = ["--needed", "--", *self._settings.packages]
        script = "\n".join(
            [
                *_devices(folder),
                shlex.join([*common, "-Sy", "--downloadonly", *wanted]),
                shlex.join([*limited, *common, "-S", *wanted]),
            ]
        )
        # Whatever a scriptlet leaves running ends with the process namespace.
        apart = ("--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--")
        return ("unshare", *rootless.namespace(), *apart, "/bin/sh", "-euc", script)

    def _configuration(self) -> str:
        lines = ["[options]", f"Architecture = {self._arch}", "ParallelDownloads = 5"]
        lines += [f"SigLevel = {self._settings.sig_level}", "LocalFileSigLevel = Optional"]
        for name in self._settings.repositories:
            lines += [f"[{name}]", *(f"Server = {mirror}" for mirror in self._settings.mirrors)]
        return "\n".join(lines) + "\n"

    def _given(self) -> Path | None:
        """What keys are in: a keyring, or a file."""
        if self._settings.keyring is None and not _MACHINES.is_dir():
            if self._settings.sig_level.split()[0] == "Never":
                return None
            raise BuilderUnusable(
                "There is nothing to verify the root's packages with: this machine has no /etc/pacman.d/gnupg; set "
                "root.keyring."
            )
        return self._settings.keyring or _MACHINES

    async def _keyring(self) -> Path | None:
        given = self._given()
        if given is None or given.is_dir():
            return given
        try:
            return await self._keyrings.holding([await asyncio.to_thread(_keys, given)])
        except BuildFailed as error:
            raise BuilderUnusable(f"root.keyring: {error}") from error


def _keys(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except OSError as error:
        raise BuilderUnusable(f"root.keyring: {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise BuilderUnusable(
            f"root.keyring: {file} is not ASCII-armoured; `gpg --armor --export` writes such files."
        ) from None


def _copy(keyring: Path, to: Path) -> None:
    # Neither sockets nor secrets: a root is there for every build to read.
    shutil.copytree(keyring, to, ignore=shutil.ignore_patterns("S.*", "private-keys-v1.d", "secring.gpg"))
    for folder, _, files in os.walk(to):
        os.chmod(folder, 0o755)  # noqa: S103
        for name in files:
            os.chmod(Path(folder, name), 0o644)


def _devices(folder: Path) -> list[str]:
    """What scriptlets find in /proc and /dev; seen by nobody outside of their mount namespace."""
    lines = [shlex.join(["mount", "-t", "proc", "proc", f"{folder}/proc"])]
    lines += [
        shlex.join(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", f"{folder}/{name}"])
        for name in ("dev", "run")
    ]
    for name in _DEVICES:
        lines += [f": >{shlex.quote(f'{folder}/dev/{name}')}"]
        lines += [shlex.join(["mount", "--bind", f"/dev/{name}", f"{folder}/dev/{name}"])]
    return [*lines, shlex.join(["ln", "-s", "/proc/self/fd", f"{folder}/dev/fd"])]
