"""Links by which a web server in front finds files by itself: their paths are the addresses that clients ask for."""

import errno
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

_ROOT = "repo"
_GONE = ".gone-"


class PublicTree:
    """Links `repo/<repository>[@<snapshot>]/<arch>/<file>` below a folder: never more than what the server would answer.

    A link is made after the server was asked for a file, and goes when anything about its repository changes; whoever
    finds none asks the server. So nothing depends on them, and a start begins without. To be used by one thread.

    They are second names of the files where that is possible: symbolic links cost nginx a tenth of its speed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._closed: Counter[str] = Counter()
        self._moment = 0

    @property
    def moment(self) -> int:
        """To be taken before a file is looked up: `put` takes no answer that may be an old one."""
        return self._moment

    def put(self, moment: int, place: str, arch: str, file_name: str, target: Path) -> None:
        """Let `target` be found at `<place>/<arch>/<file_name>`, `place` being `<repository>[@<snapshot>]`."""
        if moment != self._moment or _repository(place) in self._closed:
            return
        link = self._folder / _ROOT / place / arch / file_name
        with suppress(OSError):  # the server goes on answering
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            _join(link, target)

    @contextmanager
    def closed(self, repository: str) -> Iterator[None]:
        """Without links of a repository while what its addresses stand for changes."""
        self._closed[repository] += 1
        try:
            self._forget(repository)
            yield
        finally:
            self._moment += 1
            self._closed -= Counter((repository,))

    def clear(self) -> None:
        """Begin anew without any links: nobody knows what changed since they were made."""
        self._moment += 1
        self._remove(self._folder / _ROOT)

    def sweep(self) -> None:
        """Remove from the disk what is not to be found any more; may take a while, and be done by any thread."""
        for gone in self._folder.glob(f"{_GONE}*"):
            shutil.rmtree(gone, ignore_errors=True)

    def _forget(self, repository: str) -> None:
        with suppress(FileNotFoundError):
            for place in os.listdir(self._folder / _ROOT):
                if _repository(place) == repository:
                    self._remove(self._folder / _ROOT / place)

    def _remove(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            path.rename(self._folder / f"{_GONE}{uuid4().hex}")


def _join(link: Path, target: Path) -> None:
    try:
        link.hardlink_to(target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        # Relative, as the data folder may have another path for the web server.
        link.symlink_to(os.path.relpath(target, link.parent))


def _repository(place: str) -> str:
    return place.partition("@")[0]
