"""Keyrings that pacman verifies with, made once for each set of keys."""

import asyncio
import hashlib
import itertools
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from quarters.builder.failure import BuildFailed
from quarters.builder.workspace import PATH
from quarters.model.build import Reason

_ULTIMATE = "6"


class Keyrings:
    """Finished GnuPG homes below `folder`, by the keys in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def holding(self, keys: Iterable[str], base: Path | None = None) -> Path:
        """A GnuPG home that trusts `keys` (ASCII-armoured) and whatever `base`, another home, trusts."""
        wanted = sorted(set(keys))
        name = hashlib.sha256("\0".join([str(base or ""), *wanted]).encode()).hexdigest()[:32]
        finished = self._folder / name
        if not finished.is_dir():
            # gpg names sockets below its home, and such a name may have 108 bytes (unix(7)): so /tmp, whose is short.
            with tempfile.TemporaryDirectory(prefix="quarters-", dir="/tmp") as home:
                await self._fill(Path(home), wanted, base)
                self._keep(Path(home), finished)
        return finished

    def _keep(self, home: Path, finished: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # In a folder of its own first: another slot may be at the same keyring.
        with tempfile.TemporaryDirectory(dir=self._folder) as aside:
            copied = Path(shutil.copytree(home, Path(aside) / "home"))
            if not finished.is_dir():
                copied.rename(finished)

    async def _fill(self, home: Path, keys: list[str], base: Path | None) -> None:
        if base is not None:
            shutil.copytree(
                base, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("S.*", "private-keys-v1.d")
            )
        # pacman looks for a file of this name; where it is, gpg uses it (pacman: lib/libalpm/signing.c).
        (home / "pubring.gpg").touch()
        for key in keys:
            await _gpg(home, key, "--import")
        listing = await _gpg(home, "", "--with-colons", "--list-keys")
        trusted = await _fingerprints(home, keys)
        if trusted:
            await _gpg(home, "".join(f"{print_}:{_ULTIMATE}:\n" for print_ in trusted), "--import-ownertrust")
        if listing:
            await _gpg(home, "", "--check-trustdb")


async def _fingerprints(home: Path, keys: list[str]) -> list[str]:
    found = []
    for key in keys:
        lines = (await _gpg(home, key, "--with-colons", "--show-keys")).splitlines()
        # The line after `pub` holds the primary key's fingerprint in its tenth field (GnuPG: doc/DETAILS).
        found += [after.split(":")[9] for line, after in itertools.pairwise(lines) if line.startswith("pub:")]
    return found


async def _gpg(home: Path, data: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(
            "gpg",
            "--homedir",
            str(home),
            "--batch",
            "--no-autostart",
            "--no-permission-warning",
            "--quiet",
            *arguments,
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": PATH, "LANG": "C.UTF-8"},
    )
    said, complained = await process.communicate(data.encode())
    if process.returncode:
        message = f"A repository's key cannot be used: {complained.decode(errors='replace').strip()}"
        raise BuildFailed(Reason.SIGNATURE_UNTRUSTED, message, exit_code=process.returncode)
    return said.decode(errors="replace")
