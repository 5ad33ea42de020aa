"""The files of all backups in a folder, each once by its content: what is there already is not copied again."""

import hashlib
import os
from collections.abc import Collection
from pathlib import Path
from tempfile import mkstemp

from quarters.model.errors import BackupDamaged, Conflict
from quarters.storage import durable
from quarters.storage.uploads import Content

_PIECE = 1 << 20
_UNFINISHED = ".new-"


class Vault:
    """A folder of files by their sha256; whole and on the disk once they have their name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.added = 0
        self.added_bytes = 0

    def path(self, sha256: str) -> Path:
        """Where the content is, or would be."""
        return self._folder / sha256[:2] / sha256

    def keep(self, source: Path, sha256: str) -> int:
        """Keep a file that never changes and was known to have `sha256`; returns its size. Conflict if it has not.

        On the same file system nothing is copied, `source` gets a second name. FileNotFoundError if it is gone.
        """
        size, target = source.stat().st_size, self.path(sha256)
        if target.exists() and target.stat().st_size == size:
            return size
        with source.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise Conflict(
                    f"{source} is damaged; run `quarters repo check --all --repair` before a backup."
                )
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
            durable.sync(target.parent)
        except OSError:  # another file system, or one without hard links
            self._place(source, sha256)
        self._count(size)
        return size

    def copy(self, source: Path) -> Content:
        """Keep what a file that may be growing holds now; FileNotFoundError if it is gone."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        content, unfinished = _copied(source, self._folder)
        target = self.path(content.sha256)
        if target.exists() and target.stat().st_size == content.size:
            unfinished.unlink()
            return content
        target.parent.mkdir(mode=0o700, exist_ok=True)
        unfinished.rename(target)
        durable.sync(target.parent)
        self._count(content.size)
        return content

    def has(self, content: Content) -> bool:
        """Whether it is there, by its size."""
        path = self.path(content.sha256)
        return path.is_file() and path.stat().st_size == content.size

    def forget(self, wanted: Collection[str]) -> int:
        """Remove all but `wanted`, and what a killed process left; returns how many bytes that frees."""
        freed = 0
        for path in [*self._folder.glob(f"{_UNFINISHED}*"), *self._folder.glob("??/*")]:
            if path.name not in wanted:
                freed += path.stat().st_size
                path.unlink()
        return freed

    def _place(self, source: Path, sha256: str) -> None:
        content, unfinished = _copied(source, self._folder)
        if content.sha256 != sha256:
            unfinished.unlink()
            raise Conflict(f"{source} changed while it was copied.")
        unfinished.rename(self.path(sha256))
        durable.sync(self.path(sha256).parent)

    def _count(self, size: int) -> None:
        self.added += 1
        self.added_bytes += size


def digest(path: Path) -> Content:
    """What a file holds."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Content(os.fstat(file.fileno()).st_size, sha256)


def duplicate(source: Path, target: Path) -> Content:
    """Copy a file so that only its owner may read the copy; returns what it holds."""
    content, unfinished = _copied(source, target.parent)
    unfinished.rename(target)
    return content


def fetch(source: Path, expected: Content, target: Path, mode: int = 0o644) -> None:
    """Copy a file out of a backup and bring it to the disk; BackupDamaged unless it is what was written."""
    try:
        content, unfinished = _copied(source, target.parent)
    except FileNotFoundError:
        raise _missing(source) from None
    if content != expected:
        unfinished.unlink()
        raise _altered(source)
    unfinished.chmod(mode)
    unfinished.rename(target)


def check(source: Path, expected: Content) -> None:
    """BackupDamaged unless the file is what was written."""
    try:
        found = digest(source)
    except FileNotFoundError:
        raise _missing(source) from None
    if found != expected:
        raise _altered(source)


def _missing(source: Path) -> BackupDamaged:
    return BackupDamaged(f"The backup is damaged: {source} is missing.")


def _altered(source: Path) -> BackupDamaged:
    return BackupDamaged(f"The backup is damaged: {source} is not what was written.")


def _copied(source: Path, folder: Path) -> tuple[Content, Path]:
    """A private copy of a file, on the disk, and what it holds."""
    descriptor, name = mkstemp(dir=folder, prefix=_UNFINISHED)
    sha256, size = hashlib.sha256(), 0
    try:
        with (
            open(descriptor, "wb") as target,
            durable.disk_trouble_told(Path(name)),
            source.open("rb") as file,
        ):
            while piece := file.read(_PIECE):
                target.write(piece)
                sha256.update(piece)
                size += len(piece)
            target.flush()
            os.fsync(target.fileno())
    except BaseException:
        Path(name).unlink()
        raise
    return Content(size, sha256.hexdigest()), Path(name)
