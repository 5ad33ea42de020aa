"""A scratch root whose pacman trusts given keys and takes nothing unsigned."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

needs_pacman = pytest.mark.skipif(
    os.geteuid() != 0 or any(shutil.which(tool) is None for tool in ("pacman", "gpg")),
    reason="installing packages needs pacman, gpg and root",
)


class PacmanRoot:
    """A machine that installs from one repository; `folder` must have a short path, for gpg's sockets."""

    def __init__(self, folder: Path, server: str, armored: str, fingerprint: str) -> None:
        self.root = folder / "root"
        self._gpg = folder / "gnupg"
        self._gpg.mkdir(mode=0o700)
        for name in ("root/var/lib/pacman", "root/var/cache/pacman/pkg", "hooks"):
            (folder / name).mkdir(parents=True)
        self._config = folder / "pacman.conf"
        self._config.write_text(
            f"[options]\nArchitecture = x86_64\nSigLevel = Required DatabaseRequired\n"
            f"RootDir = {self.root}\nDBPath = {self.root}/var/lib/pacman\n"
            f"CacheDir = {self.root}/var/cache/pacman/pkg\nGPGDir = {self._gpg}\nHookDir = {folder}/hooks\n"
            f"LogFile = {folder}/log\n[own]\nServer = {server}\n"
        )
        if armored:
            self._run_gpg("--import", text=armored)
            self._run_gpg("--import-ownertrust", text=f"{fingerprint}:6:\n")

    def _run_gpg(self, *arguments: str, text: str) -> None:
        command = ["gpg", "--homedir", str(self._gpg), "--batch", *arguments]
        subprocess.run(command, input=text, text=True, check=True, capture_output=True)

    async def pacman(self, *arguments: str) -> tuple[int, str]:
        """Run it and return its exit code and what it said."""
        process = await asyncio.create_subprocess_exec(
            "pacman", "--config", str(self._config), "--noconfirm", "--noprogressbar", *arguments,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    def installed(self, name: str) -> str | None:
        """The content of the package's file, if it is there."""
        path = self.root / "usr" / "share" / name
        return path.read_text() if path.exists() else None
