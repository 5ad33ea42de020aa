"""What a backup says about itself: every file in it with its digest, and its own digest in the backup's name."""

import hashlib
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from quarters.model.errors import BackupDamaged, NotFound

BACKUPS = "backups"
CONTENT = "content"
ROWS = "rows.jsonl.zst"
CONFIGURATION = "quarters.toml"
KEYS = "keys"

_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-([0-9a-f]{16})")
_FILE = "manifest.json"
_FORM = 1

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Inside = Annotated[str, Meta(pattern=r"^(?!/)(?!.*(^|/)\.\.(/|$))[^\x00]+$")]
"""A path that leads nowhere but below the folder that it is for."""
Plain = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A file: its `path` below the data folder, `size` in bytes, and of a log when it was `modified` (ns since 1970)."""

    path: Inside
    size: int
    sha256: Sha256
    modified: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a backup holds; `revision` is that of the tables whose `rows` it has, by name how many."""

    form: int = _FORM
    program: str
    revision: str
    made_at: datetime
    rows: Kept
    tables: dict[str, int]
    packages: tuple[Kept, ...]
    files: tuple[Kept, ...]
    """Logs, and what builders delivered and was not published yet."""
    keys: tuple[Kept, ...]
    links: dict[Plain, Plain]
    """Among the keys: the link that says which one signs."""
    configuration: Kept | None = None


class Backup(msgspec.Struct, frozen=True):
    """A whole backup in a folder of them."""

    name: str
    folder: Path
    manifest: Manifest


def write(folder: Path, manifest: Manifest) -> str:
    """Complete the backup that is being made in `folder`; returns the name that it has to get."""
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    (folder / _FILE).write_bytes(data)
    return f"{manifest.made_at:%Y%m%dT%H%M%SZ}-{hashlib.sha256(data).hexdigest()[:16]}"


def names(target: Path) -> list[str]:
    """The backups in a folder, the oldest first."""
    folder = target / BACKUPS
    return sorted(it.name for it in folder.iterdir() if _NAME.fullmatch(it.name)) if folder.is_dir() else []


def read(target: Path, name: str | None = None) -> Backup:
    """One backup, by default the newest; NotFound, BackupDamaged."""
    known = names(target)
    if name is None and not known:
        raise NotFound(f"There is no backup in {target}.")
    if name is not None and name not in known:
        raise NotFound(f"There is no backup {name!r} in {target}; there are {', '.join(known) or 'none'}.")
    chosen = name or known[-1]
    folder = target / BACKUPS / chosen
    try:
        data = (folder / _FILE).read_bytes()
    except OSError as error:
        raise BackupDamaged(
            f"The backup {chosen} is damaged: {_FILE} cannot be read ({error.strerror})."
        ) from error
    if hashlib.sha256(data).hexdigest()[:16] != chosen.rpartition("-")[2]:
        raise BackupDamaged(f"The backup {chosen} is damaged: {_FILE} is not what was written.")
    try:
        return Backup(chosen, folder, msgspec.json.decode(data, type=Manifest))
    except msgspec.DecodeError:
        raise BackupDamaged(
            f"The backup {chosen} was made by another version of Quarters; restore it with that."
        ) from None
