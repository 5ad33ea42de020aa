"""An rsync target, daemon or shell, written to by the real rsync; laid out as a folder is, with the same link."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from quarters.model.errors import TargetUnusable
from quarters.transfer.targets.folder import CURRENT
from quarters.transfer.targets.target import INDEXES, STATE, State, decoded, encoded, foreign

_MISSING = 23
"""rsync(1), exit values: partial transfer, here of nothing."""

_TIMEOUT = "--timeout=120"


class Rsync:
    """Sends files that rsync then renames into place; a link that it replaces is replaced at once."""

    def __init__(self, location: str) -> None:
        self._location = location.rstrip("/")
        self._incoming = Path()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Path]:
        """A folder for what is on its way; nobody can lock the other side, so one export at a time is for the caller."""
        with TemporaryDirectory(prefix="quarters-export-") as name:
            self._incoming = Path(name)
            yield self._incoming

    async def state(self) -> State | None:
        """What is noted."""
        path = self._incoming / STATE
        done = await _rsync("-t", f"{self._location}/{STATE}", str(path))
        if done.code == 0:
            return decoded(path.read_bytes(), self._location)
        if await self.sizes():
            raise foreign(self._location)
        return None

    async def sizes(self) -> Mapping[str, int]:
        """What rsync lists; nothing where there is no such folder yet."""
        done = await _rsync("-r", "-8", "--no-human-readable", "--list-only", f"{self._location}/")
        if done.code == _MISSING and "No such file or directory" in done.errors:
            return {}
        done.check(self._location)
        return dict(_listed(done.output.splitlines()))

    async def put(self, names: Sequence[str]) -> None:
        """Send them, whatever of these names is there."""
        await self._send(names)
        for name in names:
            (self._incoming / name).unlink()

    async def serve(self, index: str, names: Collection[str]) -> None:
        """Send the links by which clients find the index, then the one that turns to it."""
        for name in names:
            path = self._incoming / name
            path.parent.mkdir(exist_ok=True)
            path.symlink_to(f"../{CURRENT}/{name}")
        await self._send(names)
        (self._incoming / CURRENT).symlink_to(f"{INDEXES}/{index}")
        await self._send([CURRENT])
        for name in (*names, CURRENT):
            (self._incoming / name).unlink()

    async def note(self, state: State) -> None:
        """Send it anew."""
        (self._incoming / STATE).write_bytes(encoded(state))
        await self._send([STATE])

    async def remove(self, names: Collection[str]) -> None:
        """Name files, and indexes as whole folders, that are not here to rsync."""
        indexes = {"/".join(name.split("/")[:2]) for name in names if name.startswith(f"{INDEXES}/")}
        missing = sorted(indexes | {name for name in names if not name.startswith(f"{INDEXES}/")})
        with TemporaryDirectory(prefix="quarters-export-") as nothing:
            for parent in {Path(name).parent for name in missing}:  # rsync wants these
                Path(nothing, parent).mkdir(parents=True, exist_ok=True)
            options = ("-r", "--force", "--delete-missing-args", "--from0", "--files-from=-")
            done = await _rsync(*options, f"{nothing}/", f"{self._location}/", given=missing)
            done.check(self._location)

    async def _send(self, names: Collection[str]) -> None:
        options = ("-lt", "--ignore-times", "--from0", "--files-from=-")
        done = await _rsync(*options, f"{self._incoming}/", f"{self._location}/", given=sorted(names))
        done.check(self._location)


class _Done(NamedTuple):
    code: int
    output: str
    errors: str

    def check(self, location: str) -> None:
        if self.code:
            lines = self.errors.strip().splitlines() or [f"it ended with {self.code}"]
            raise TargetUnusable(f"rsync cannot write to {location}: {lines[0].rstrip('.')}.")


async def _rsync(*arguments: str, given: Iterable[str] = ()) -> _Done:
    try:
        process = await asyncio.create_subprocess_exec(
            "rsync", _TIMEOUT, *arguments,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    except FileNotFoundError:
        raise TargetUnusable("rsync cannot be found on this machine; install it.") from None
    output, errors = await process.communicate(b"".join(name.encode() + b"\0" for name in given))
    return _Done(process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))


def _listed(lines: Iterable[str]) -> Iterable[tuple[str, int]]:
    """Plain files of lines such as `-rw-r--r--  1,234 2026/11/21 12:00:00 name` (rsync(1), --list-only)."""
    for line in lines:
        if line.startswith("-"):
            _, size, _, _, name = line.split(maxsplit=4)
            yield name, int(size.replace(",", ""))
