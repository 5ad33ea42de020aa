"""Puts a backup back: files first, each held against its digest, then all rows in one transaction."""

import asyncio
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from quarters.model.errors import BackupDamaged, Conflict
from quarters.model.repository import Snapshot
from quarters.storage import durable, events, migrate, repositories, snapshots
from quarters.storage.backup import rows, vault
from quarters.storage.backup.manifest import CONFIGURATION, CONTENT, KEYS, ROWS, Backup, Kept
from quarters.storage.backup.vault import Vault
from quarters.storage.database import Database
from quarters.storage.uploads import Content

_ACTOR = "restore"


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was put back; without `keys` the server makes a new one, which clients have to be given."""

    name: str
    made_at: datetime
    data: Path
    repositories: tuple[str, ...]
    packages: int
    keys: int
    configuration: Path | None = None


def check(backup: Backup, target: Path) -> None:
    """BackupDamaged unless every file of a backup in the folder `target` is there, and is what was written."""
    content = Vault(target / CONTENT)
    manifest = backup.manifest
    for it in (*manifest.packages, *manifest.files):
        vault.check(content.path(it.sha256), _content(it))
    own = [manifest.rows, *manifest.keys, *([manifest.configuration] if manifest.configuration else [])]
    for it in own:
        vault.check(backup.folder / it.path, _content(it))


def require_empty(data: Path) -> None:
    """Conflict unless there is nothing in the folder, or no folder."""
    if data.is_dir() and any(data.iterdir()):
        raise Conflict(f"{data} is not empty; restore into another folder, or move away what is there.")


class Restorer:
    """Restores into a data folder that was empty; whatever goes wrong, nothing is left in it."""

    def __init__(
        self, url: Callable[[], Database], data: Path, target: Path, now: Callable[[], datetime]
    ) -> None:
        self._open = url
        self._data = data
        self._content = Vault(target / CONTENT)
        self._now = now

    async def restore(self, backup: Backup) -> Restored:
        """Restore; BackupDamaged, or Conflict where the database is not empty."""
        manifest = backup.manifest
        if manifest.revision != migrate.newest():
            raise BackupDamaged(
                f"The backup {backup.name} was made by Quarters {manifest.program}, whose tables are others; "
                "restore it with that version, and upgrade then."
            )
        try:
            await asyncio.to_thread(self._files, backup)
            names = await self._rows(backup)
        except BaseException:
            await asyncio.to_thread(_emptied, self._data)
            raise
        return Restored(
            name=backup.name,
            made_at=manifest.made_at,
            data=self._data,
            repositories=tuple(names),
            packages=len(manifest.packages),
            keys=len(manifest.keys),
            configuration=self._data / CONFIGURATION if manifest.configuration else None,
        )

    def _files(self, backup: Backup) -> None:
        manifest = backup.manifest
        vault.check(backup.folder / ROWS, _content(manifest.rows))
        for it in manifest.packages:
            self._fetch(self._content.path(it.sha256), it, 0o444)
        for it in manifest.files:
            self._fetch(self._content.path(it.sha256), it, 0o644)
        private = (*manifest.keys, *([manifest.configuration] if manifest.configuration else []))
        for it in private:
            self._fetch(backup.folder / it.path, it, 0o600)
        for name, to in manifest.links.items():
            (self._data / KEYS / name).symlink_to(to)
        for folder in (it for it in self._data.rglob("*") if it.is_dir()):
            durable.sync(folder)

    def _fetch(self, source: Path, it: Kept, mode: int) -> None:
        target = self._data / it.path
        target.parent.mkdir(parents=True, exist_ok=True)
        vault.fetch(source, _content(it), target, mode)

    async def _rows(self, backup: Backup) -> list[str]:
        database = self._open()
        await database.open()
        try:
            return await database.write(_load, backup, self._now())
        finally:
            await database.close()


def _load(connection: Connection, backup: Backup, now: datetime) -> list[str]:
    if rows.load(connection, backup.folder / ROWS) != backup.manifest.tables:
        raise BackupDamaged(
            f"The backup {backup.name} is damaged: it has not all the rows that were written."
        )
    return [
        name
        for name, number in sorted(repositories.currents(connection).items())
        if number == 0 or _serve_anew(connection, name, backup.manifest.made_at, now)
    ]


def _serve_anew(connection: Connection, name: str, made_at: datetime, now: datetime) -> bool:
    """Serve what is restored as a new snapshot: clients that have seen what was lost ask for something newer only."""
    last = snapshots.get(connection, name)
    made = Snapshot(
        repository=name,
        number=last.snapshot.number + 1,
        created_at=now,
        actor=_ACTOR,
        note=f"restored from the backup of {made_at:%Y-%m-%d %H:%M:%S} UTC",
        packages=last.snapshot.packages,
    )
    modified_at = max(now.replace(microsecond=0), last.modified_at + timedelta(seconds=1))
    snapshots.add(connection, made, modified_at, last.compression)
    repositories.advance(connection, name, last.snapshot.number)
    events.record(connection, now, "snapshot.published", name, {"snapshot": made.number, "actor": _ACTOR})
    return True


def _content(it: Kept) -> Content:
    return Content(it.size, it.sha256)


def _emptied(data: Path) -> None:
    for path in data.iterdir() if data.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
