"""Package files by content: each is kept once under its sha256, however many repositories and snapshots list it."""

import os
import re
import shutil
from pathlib import Path
from tempfile import mkstemp

from quarters.storage import durable

_UNFINISHED = ".new-"
_MODE = 0o444
_NAME = re.compile("[0-9a-f]{64}")


class PackageFiles:
    """A folder of files named by their sha256, in subfolders of its first two digits; a file in it never changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Where the file is, or would be."""
        return self._folder / sha256[:2] / sha256

    def add(self, source: Path, sha256: str) -> None:
        """Keep the file at `source`, whose content was verified to have `sha256`; once this returns it survives a power cut.

        On the same file system nothing is copied: `source` becomes a second name, which the caller may remove but never
        write to again. Raises StorageFull. What is there already stays as it is.
        """
        target = self.path(sha256)
        with durable.disk_trouble_told(target):
            if not target.parent.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                durable.sync(self._folder)
            if not target.exists():
                durable.sync(source)
                self._place(source, target)
            # Also where it was there: whoever put it there may have been killed before this.
            durable.sync(target.parent)

    def remove(self, sha256: str) -> int:
        """Remove a file if it is there; returns the bytes that this frees. Only within `garbage.remove`."""
        path = self.path(sha256)
        try:
            with durable.disk_trouble_told(path):
                size = path.stat().st_size
                path.unlink()
        except FileNotFoundError:
            return 0
        return size

    def folders(self) -> list[str]:
        """The subfolders that there are."""
        try:
            return sorted(it.name for it in self._folder.iterdir() if it.is_dir())
        except FileNotFoundError:
            return []

    def within(self, folder: str) -> list[str]:
        """The sha256 of each file in a subfolder; whatever has another name is none of these."""
        names = (it.name for it in (self._folder / folder).iterdir())
        return sorted(name for name in names if name[:2] == folder and _NAME.fullmatch(name))

    def strange(self, folder: str) -> list[Path]:
        """What is in a subfolder and is no file of this store, nor one that is still being written."""
        files = set(self.within(folder))
        there = (self._folder / folder).iterdir()
        return sorted(it for it in there if it.name not in files and not it.name.startswith(_UNFINISHED))

    def outside(self) -> list[str]:
        """Names of what lies beside the subfolders."""
        there = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(it.name for it in there if not it.is_dir())

    def discard(self, name: str) -> None:
        """Remove what does not belong here, by its name below the folder."""
        path = self._folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a killed process left unfinished."""
        for path in self._folder.glob(f"*/{_UNFINISHED}*"):
            path.unlink(missing_ok=True)

    def _place(self, source: Path, target: Path) -> None:
        try:
            source.chmod(_MODE)
            os.link(source, target)
        except FileExistsError:
            return
        except OSError:  # another file system, or one without hard links
            self._copy(source, target)

    def _copy(self, source: Path, target: Path) -> None:
        descriptor, name = mkstemp(dir=target.parent, prefix=_UNFINISHED)
        unfinished = Path(name)
        try:
            with source.open("rb") as read, open(descriptor, "wb") as file:
                shutil.copyfileobj(read, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            unfinished.chmod(_MODE)
            unfinished.rename(target)
        finally:
            unfinished.unlink(missing_ok=True)
