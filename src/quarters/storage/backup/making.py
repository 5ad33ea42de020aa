"""Makes a backup beside a server that goes on publishing: first the rows of one moment, then the files that they name."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import msgspec

from quarters import __version__
from quarters.model.errors import BackupDamaged, Conflict, NotFound
from quarters.storage import durable, garbage, migrate
from quarters.storage.backup import manifest as manifests
from quarters.storage.backup import rows
from quarters.storage.backup.manifest import BACKUPS, CONFIGURATION, CONTENT, KEYS, ROWS, Kept, Manifest
from quarters.storage.backup.rows import Delivered, Dumped
from quarters.storage.backup.vault import Vault, digest, duplicate
from quarters.storage.database import Database
from quarters.storage.uploads import Content

_HELD = timedelta(hours=1)
"""For how long package files stay should this process be killed."""
_RENEWED = 600.0
_UNFINISHED = ".new-"
_LOGS, _GROWING, _INCOMING, _PACKAGES = "logs", "growing", "incoming", "packages"


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be in a backup beside rows, packages and logs, and how many `kept` backups are to be there then."""

    keys: bool = True
    configuration: Path | None = None
    kept: int | None = None


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was made: `added` files of `added_bytes` are new, `freed` bytes were of backups no longer kept."""

    name: str
    folder: Path
    repositories: int
    packages: int
    logs: int
    keys: int
    added: int
    added_bytes: int
    freed: int = 0


class Maker:
    """Backs one server up into the folder `target`, which holds all of its backups."""

    def __init__(
        self, database: Database, data: Path, target: Path, wishes: Wishes, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._data = data
        self._target = target
        self._wishes = wishes
        self._now = now
        self._vault = Vault(target / CONTENT)

    async def make(self) -> Made:
        """Make a backup; Conflict where a package file is missing or damaged, or another backup is being made."""
        self._target.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self._target):
            folder = Path(mkdtemp(dir=self._target, prefix=_UNFINISHED))  # for its owner only
            try:
                made_at = self._now()
                async with self._holding():
                    dumped = await self._database.read(rows.dump, folder / ROWS)
                    manifest = await asyncio.to_thread(self._gather, folder, dumped, made_at)
                name = await asyncio.to_thread(self._complete, folder, manifest)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            freed = await asyncio.to_thread(self._forget)
        return Made(
            name=name,
            folder=self._target / BACKUPS / name,
            repositories=dumped.tables["repositories"],
            packages=len(manifest.packages),
            logs=sum(it.path.startswith(f"{_LOGS}/") for it in manifest.files),
            keys=len(manifest.keys),
            added=self._vault.added,
            added_bytes=self._vault.added_bytes,
            freed=freed,
        )

    @asynccontextmanager
    async def _holding(self) -> AsyncIterator[None]:
        """Meanwhile no package file is removed, by whatever server."""
        name = f"backup {uuid4().hex}"

        async def hold() -> None:
            await self._database.write(garbage.hold, name, self._now() + _HELD)

        async def renew() -> None:
            while True:
                await asyncio.sleep(_RENEWED)
                await hold()

        await hold()
        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
            await self._database.write(garbage.release, name)

    def _gather(self, folder: Path, dumped: Dumped, made_at: datetime) -> Manifest:
        configuration = self._wishes.configuration
        return Manifest(
            program=__version__,
            revision=migrate.newest(),
            made_at=made_at,
            rows=_kept(ROWS, digest(folder / ROWS)),
            tables=dumped.tables,
            packages=tuple(self._packages(dumped)),
            files=(*self._logs(), *self._delivered(dumped.delivered)),
            keys=tuple(self._keys(folder)) if self._wishes.keys else (),
            links=self._links() if self._wishes.keys else {},
            configuration=None
            if configuration is None
            else _kept(CONFIGURATION, duplicate(configuration, folder / CONFIGURATION)),
        )

    def _packages(self, dumped: Dumped) -> Iterator[Kept]:
        for sha256, file_name in dumped.packages.items():
            path = self._data / _PACKAGES / sha256[:2] / sha256
            try:
                size = self._vault.keep(path, sha256)
            except FileNotFoundError:
                if sha256 not in dumped.listed:
                    continue  # it was being removed
                raise Conflict(
                    f"The file of {file_name} is missing ({path}); "
                    "run `quarters repo check --all --repair` before a backup."
                ) from None
            yield Kept(path=f"{_PACKAGES}/{sha256[:2]}/{sha256}", size=size, sha256=sha256)

    def _delivered(self, delivered: list[Delivered]) -> Iterator[Kept]:
        for it in delivered:
            path = f"{_INCOMING}/{it.build}/{it.attempt}/{it.file_name}"
            # What was published meanwhile is in the store.
            for source in (self._data / path, self._data / _PACKAGES / it.sha256[:2] / it.sha256):
                with suppress(FileNotFoundError):
                    size = self._vault.keep(source, it.sha256)
                    yield Kept(path=path, size=size, sha256=it.sha256)
                    break

    def _logs(self) -> Iterator[Kept]:
        known = {it.path: it for it in self._before()}
        folder = self._data / _LOGS
        # A log that is compressed meanwhile is found at its second place, but never at neither.
        growing = sorted((folder / _GROWING).glob("*")) if folder.is_dir() else []
        for path in growing:
            with suppress(FileNotFoundError):
                yield _kept(str(path.relative_to(self._data)), self._vault.copy(path))
        for path in sorted(folder.glob("[0-9]*/*")):
            with suppress(FileNotFoundError):
                name, status = str(path.relative_to(self._data)), path.stat()
                old = known.get(name)
                same = old is not None and (old.size, old.modified) == (status.st_size, status.st_mtime_ns)
                if old is not None and same and self._vault.has(Content(old.size, old.sha256)):
                    yield old
                else:
                    yield _kept(name, self._vault.copy(path), status.st_mtime_ns)

    def _before(self) -> tuple[Kept, ...]:
        with suppress(NotFound, BackupDamaged):
            return manifests.read(self._target).manifest.files
        return ()

    def _keys(self, folder: Path) -> Iterator[Kept]:
        (folder / KEYS).mkdir(mode=0o700)
        for path in self._of_keys():
            if path.is_file() and not path.is_symlink():
                yield _kept(f"{KEYS}/{path.name}", duplicate(path, folder / KEYS / path.name))

    def _links(self) -> dict[str, str]:
        """Which key was chosen."""
        return {path.name: str(path.readlink()) for path in self._of_keys() if path.is_symlink()}

    def _of_keys(self) -> list[Path]:
        return sorted((self._data / KEYS).glob("[!.]*"))

    def _complete(self, folder: Path, manifest: Manifest) -> str:
        name = manifests.write(folder, manifest)
        for path in (it for it in folder.rglob("*") if not it.is_symlink()):
            durable.sync(path)
        (self._target / BACKUPS).mkdir(mode=0o700, exist_ok=True)
        folder.rename(self._target / BACKUPS / name)
        durable.sync(self._target / BACKUPS)
        return name

    def _forget(self) -> int:
        """Remove the oldest backups, and the files that only they had."""
        if self._wishes.kept is None:
            return 0
        known = manifests.names(self._target)
        for name in known[: -self._wishes.kept]:
            shutil.rmtree(self._target / BACKUPS / name)
        wanted: set[str] = set()
        for name in known[-self._wishes.kept :]:
            found = manifests.read(self._target, name).manifest
            wanted.update(it.sha256 for it in (*found.packages, *found.files))
        return self._vault.forget(wanted)


def _kept(path: str, content: Content, modified: int = 0) -> Kept:
    return Kept(path=path, size=content.size, sha256=content.sha256, modified=modified)


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    descriptor = os.open(target / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"Another backup is being made in {target}.") from None
        yield
    finally:
        os.close(descriptor)
