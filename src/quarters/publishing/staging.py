"""What rebuilds have built: kept where only their own builds look, until all of it becomes visible in one swap."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog
from sqlalchemy import Connection

from quarters.formats.format import Format, Formats
from quarters.model.errors import Conflict, NotFound, PublishRejected, QuartersError
from quarters.model.rebuild import Rebuild, RebuildState
from quarters.model.repository import Repository
from quarters.planning.rebuilds import overlaid
from quarters.publishing.change import Change, Gathering
from quarters.publishing.index import IndexWriter
from quarters.publishing.linkage import breaks
from quarters.publishing.swap import Credit, Swap, told
from quarters.storage import events, libraries, packages, rebuilds, repositories
from quarters.storage.database import Database
from quarters.storage.packages import Listed
from quarters.storage.wakeups import Topic, Wakeups

_POLL = 5.0
"""Seconds between two looks at the rows, should a wake-up be missed."""

log = structlog.get_logger(__name__)


class _Ready(msgspec.Struct, frozen=True):
    """What a complete rebuild makes visible, and what that is held against."""

    repository: Repository
    staged: list[Listed]
    gathering: Gathering
    downgrading: frozenset[int]
    """Builds whose packages may take the place of newer ones."""


class Staging:
    """Keeps the packages of rebuilds in repositories of their own, and publishes a rebuild once it is complete."""

    def __init__(
        self, database: Database, wakeups: Wakeups, swap: Swap, index: IndexWriter, formats: Formats
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self.swap = swap
        self._index = index
        self._formats = formats

    async def run(self) -> None:
        """Publish what becomes complete, until cancelled."""
        await self._wakeups.follow(Topic.PUBLISHING, self.publish_complete, _POLL, share=1)

    async def repository(self, rebuild: Rebuild, target: Repository) -> Repository:
        """Where what `rebuild` builds for `target` is kept; made when it is needed first."""
        name = f"{target.name}~{rebuild.id}"
        staging = msgspec.structs.replace(target, name=name, description=f"rebuild {rebuild.id}")
        if rebuild.staging:
            return staging

        def insert(connection: Connection, now: datetime) -> None:
            repositories.add(connection, staging, now)
            rebuilds.stage(connection, rebuild.id, name)

        async with self.swap.lock(name):
            if not (await self._database.read(rebuilds.get, rebuild.id)).staging:
                await self.swap.publish(staging, Change(), Credit(rebuild.requester, "created"), insert)
        return staging

    async def publish_complete(self) -> None:
        """Publish every rebuild that is complete, and remove what those that are over have left."""
        for rebuild in await self._database.read(rebuilds.pending):
            if rebuild.state is RebuildState.COMPLETE:
                try:
                    await self._publish(rebuild)
                except (Conflict, NotFound) as error:
                    log.info("publishing a rebuild is begun anew", rebuild=rebuild.id, why=str(error))
        for name in await self._database.read(rebuilds.leftovers):
            await self._remove(name)

    async def _publish(self, rebuild: Rebuild) -> None:
        async with self.swap.lock(rebuild.repository):
            ready = await self._database.read(_ready, rebuild, self._formats)
            format = self._formats[ready.repository.format]
            change, skipped = _gathered(ready)
            left_out = rebuild.left_out
            if left_out is not None:
                unforeseen = await self._database.read(_unforeseen, rebuild, change, format)
                if strange := unforeseen.difference(left_out):
                    # Something was published meanwhile that links to what this would take away.
                    await self._database.write(_reopen, rebuild, f"It waits for {told(sorted(strange))}.")
                    self._wakeups.notify(Topic.BUILDS)
                    return
            await self._swap_in(rebuild, ready, change, skipped)

    async def _swap_in(self, rebuild: Rebuild, ready: _Ready, change: Change, skipped: Sequence[str]) -> None:
        message = f"{len(change.put)} packages became visible together."
        if skipped:
            message = f"{message} Newer ones were there already: {told(skipped)}."

        def end(connection: Connection, now: datetime) -> None:
            ended = {"state": RebuildState.PUBLISHED, "ended_at": now, "message": message}
            rebuilds.change(connection, rebuild.id, RebuildState.COMPLETE, **ended)
            data: events.Data = {"rebuild": rebuild.id, "packages": len(change.put)}
            events.record(connection, now, "rebuild.published", rebuild.repository, data)

        if change.put:
            versions = {it.file.base: it.file.version for it in ready.staged}
            names = told([f"{base} {version}" for base, version in sorted(versions.items())])
            credit = Credit(rebuild.requester, f"rebuild {rebuild.id}: {names}")
            await self.swap.publish(ready.repository, change, credit, end)
        else:
            await self._database.write(end, self.swap.now())
            self._wakeups.notify(Topic.BUILDS, Topic.EVENTS)

    async def _remove(self, name: str) -> None:
        def remove(connection: Connection) -> None:
            rebuilds.unstage(connection, name)
            repositories.remove(connection, name)

        async with self.swap.lock(name):
            try:
                await self._database.write(remove)
            except QuartersError as error:
                log.warning("what a rebuild has left cannot be removed", repository=name, why=str(error))
                return
            self._wakeups.notify(Topic.SERVED)
            await asyncio.to_thread(self._index.drop, name)


def _ready(connection: Connection, rebuild: Rebuild, formats: Formats) -> _Ready:
    repository = repositories.get(connection, rebuild.repository)
    staged: dict[tuple[str, str], Listed] = {}
    for name in reversed(rebuilds.staging(connection, rebuild.id)):
        staged.update({(it.arch, it.file.name): it for it in packages.listed(connection, name)})
    found = [it for it in staged.values() if it.arch in repository.arches]
    names = {it.file.name for it in found}
    gathering = Gathering.of(connection, repository, names, formats[repository.format])
    members = rebuilds.members(connection, rebuild.id)
    return _Ready(repository, found, gathering, frozenset(it.id for it in members if it.allow_downgrade))


def _gathered(ready: _Ready) -> tuple[Change, list[str]]:
    """What is to be listed, and the names of what is not, since there is something newer or different by now."""
    gathering, skipped = ready.gathering, []
    for it in ready.staged:
        try:
            gathering.list(it, allow_downgrade=it.build in ready.downgrading)
        except PublishRejected:
            skipped.append(it.file.name)
    return gathering.change([]), sorted(set(skipped))


def _unforeseen(connection: Connection, rebuild: Rebuild, change: Change, format: Format) -> set[str]:
    """Bases that would link to something that is there no more."""
    repository = repositories.get(connection, rebuild.repository)
    staging = rebuilds.staging(connection, rebuild.id)
    found: set[str] = set()
    for arch in sorted({entry.arch for entry in change.put}):
        published = libraries.linked(connection, rebuild.repository, arch)
        staged = overlaid(*(libraries.linked(connection, name, arch) for name in reversed(staging)))
        names = {entry.name for entry in change.put if entry.arch == arch}
        found.update(
            breaks(connection, repository, arch, published, [it for it in staged if it.name in names], format)
        )
    return found


def _reopen(connection: Connection, rebuild: Rebuild, message: str) -> None:
    values = {"state": RebuildState.OPEN, "message": message}
    rebuilds.change(connection, rebuild.id, RebuildState.COMPLETE, **values)
