"""Folders of single packages that outlive their builds: downloaded sources, what compilers made.

Each belongs to one package of one source and is seen by its builds alone, one at a time, so that no package can leave
anything for another one.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from quarters.builder.cleanup import to_the_end
from quarters.builder.command import Store
from quarters.builder.disk import held
from quarters.builder.workspace import CCACHE, PATH, SOURCES, remove
from quarters.protocol.builds import Assignment

KINDS = (SOURCES, CCACHE)
_UNUSED = 30 * 86_400
"""Seconds without a build after which a folder is removed."""


class Caches:
    """The caches below `folder`, none of them larger than `limit` bytes after a build."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._lent: set[str] = set()

    @asynccontextmanager
    async def lent(self, assignment: Assignment, uid: int) -> AsyncIterator[tuple[Store, ...]]:
        """What `assignment` may use, as the user `uid`'s; nothing while another build of the same package has it."""
        name = f"{quote(assignment.source, safe='')}+{quote(assignment.pkgbase, safe='')}"
        wanted = {SOURCES: assignment.cache_sources, CCACHE: assignment.ccache}
        stores = [
            Store(name=f"{kind}/{name}", point=f"/{kind}", writable=True) for kind in KINDS if wanted[kind]
        ]
        if name in self._lent or not stores:
            yield ()
            return
        await self.prune()
        self._lent.add(name)
        try:
            for store in stores:
                await self._hand_over(self._folder / store.name, uid)
            yield tuple(stores)
        finally:
            self._lent.discard(name)
            for store in stores:
                await to_the_end(self._take_back(self._folder / store.name))

    async def prune(self) -> None:
        """Remove what no build has used for a month."""
        for kind in KINDS:
            for folder in (self._folder / kind).glob("*"):
                if time.time() - folder.lstat().st_mtime > _UNUSED and not self._is_lent(folder):
                    await remove(folder)

    def _is_lent(self, folder: Path) -> bool:
        return folder.name in self._lent

    async def _hand_over(self, folder: Path, uid: int) -> None:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if folder.stat().st_uid == uid:
            return
        # `-P` is chown's own way with `-R`: a link that a build left leads it nowhere.
        owner = await asyncio.create_subprocess_exec(
            "chown", "-R", "-h", "-P", f"{uid}:{uid}", "--", str(folder), env={"PATH": PATH}
        )
        await owner.wait()

    async def _take_back(self, folder: Path) -> None:
        os.utime(folder)
        for name in await asyncio.to_thread(_unused, folder, time.time() - _UNUSED):
            await remove(folder / name)
        if await held(folder) > self._limit:
            await remove(folder)


def _unused(folder: Path, since: float) -> list[str]:
    """What lies in `folder` and was neither written nor read `since` (such as the sources of earlier versions)."""
    return [entry.name for entry in os.scandir(folder) if _last_use(entry) < since]


def _last_use(entry: os.DirEntry[str]) -> float:
    state = entry.stat(follow_symlinks=False)
    if not entry.is_dir(follow_symlinks=False):
        return max(state.st_atime, state.st_mtime)
    # Looking into a folder counts as reading it. A clone that is fetched into gets another FETCH_HEAD each time.
    inside = (one.stat(follow_symlinks=False).st_mtime for one in os.scandir(entry))
    return max(inside, default=state.st_mtime)
