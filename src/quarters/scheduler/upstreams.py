"""Keeps what upstream repositories hold, so that planning knows what need not be built."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import aiohttp
import structlog

from quarters.formats.format import Formats
from quarters.model.errors import Invalid, QuartersError
from quarters.model.repository import Repository
from quarters.scheduler.settings import SchedulerSettings
from quarters.storage import upstreams
from quarters.storage.database import Database
from quarters.storage.upstreams import Known
from quarters.storage.wakeups import Topic, Wakeups

_LARGEST = 512 << 20
"""Bytes of an index at most; Arch's `extra.db` has 8 million."""


class _Answer(NamedTuple):
    """An index, or None where it is still what `mark` stands for."""

    data: bytes | None
    mark: str


class Upstreams:
    """Looks at the databases of all upstreams, now and then; a failure keeps what was known, and says so."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        formats: Formats,
        settings: SchedulerSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._formats = formats
        self._settings = settings
        self._now = now
        self._looking = asyncio.Lock()

    async def ensure(self, repository: Repository) -> None:
        """Look at those upstreams of `repository` that were never looked at, so that a plan can be made."""
        if await self._database.read(upstreams.unknown, repository):
            async with self._looking:
                for missing in await self._database.read(upstreams.unknown, repository):
                    await self._look(repository, missing)

    async def refresh(self) -> None:
        """Look at all that is due."""
        since = self._now() - timedelta(seconds=self._settings.upstream_refresh)
        for repository in await self._database.read(upstreams.due, since):
            async with self._looking:
                for known in await self._database.read(upstreams.known, repository):
                    await self._look(repository, known)
                await self._database.write(upstreams.looked, repository, self._now())

    async def _look(self, repository: Repository, known: Known) -> None:
        format = self._formats[repository.format]
        url = format.index_url(known.upstream.server, known.upstream.name, known.arch)
        try:
            async with asyncio.timeout(self._settings.upstream_timeout):
                answer = await _fetched(url, known.mark)
            packages = (
                None if answer.data is None else await asyncio.to_thread(format.read_index, answer.data)
            )
        except (QuartersError, OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:
            problem = f"{url} cannot be read: {str(error).rstrip('.') or 'it took too long'}."
            structlog.get_logger(__name__).warning("upstream cannot be read", url=url, problem=problem)
            await self._database.write(upstreams.failed, repository.name, known, problem)
            return
        await self._database.write(upstreams.put, repository.name, known, packages, answer.mark, self._now())
        if packages is not None:
            self._wakeups.notify(Topic.PLANNING)


async def _fetched(url: str, mark: str) -> _Answer:
    """Get an index unless it is still the one that `mark` stands for: its Last-Modified or ETag, or a file's time."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return await asyncio.to_thread(_read, Path(unquote(parts.path)), mark)
    if parts.scheme not in ("http", "https"):
        raise Invalid(f"{parts.scheme or url!r} is no scheme for an upstream's server")
    headers = {}
    if mark:
        headers["If-None-Match" if mark.startswith(('"', "W/")) else "If-Modified-Since"] = mark
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        if response.status == 304:
            return _Answer(None, mark)
        response.raise_for_status()
        data = bytearray()
        async for chunk in response.content.iter_chunked(1 << 18):
            data += chunk
            if len(data) > _LARGEST:
                raise Invalid(f"it has more than {_LARGEST >> 20} MiB")
        return _Answer(
            bytes(data), response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        )


def _read(path: Path, mark: str) -> _Answer:
    status = path.stat()
    now = f"{status.st_ino} {status.st_mtime_ns} {status.st_size}"
    return _Answer(None, mark) if mark == now else _Answer(path.read_bytes(), now)
