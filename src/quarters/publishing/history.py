"""What a repository held at each publish: snapshots, how two differ, and names for them."""

from collections.abc import Callable
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from quarters.model.repository import Pin, Snapshot
from quarters.model.selector import Selector, pin_name
from quarters.protocol import cursors
from quarters.protocol.resources import Page
from quarters.protocol.snapshots import Changed, Difference, SnapshotView
from quarters.storage import events, history, pins, repositories, snapshots
from quarters.storage.database import Database
from quarters.storage.history import Held
from quarters.storage.wakeups import Topic, Wakeups


class History:
    """Shows and names snapshots; none of this changes what is served."""

    def __init__(self, database: Database, wakeups: Wakeups, now: Callable[[], datetime]) -> None:
        self._database = database
        self._wakeups = wakeups
        self._now = now

    async def list(self, repository: str, limit: int, cursor: str | None) -> Page[SnapshotView]:
        """Snapshots, newest first."""
        before = None if cursor is None else cursors.decode(cursor, int, 0)

        def read(connection: Connection) -> list[SnapshotView]:
            repositories.get(connection, repository)
            found = snapshots.listed(connection, repository, before=before, limit=limit + 1)
            return _views(connection, repository, found)

        return cursors.page(await self._database.read(read), limit, lambda snapshot: snapshot.number)

    async def show(self, repository: str, which: Selector) -> SnapshotView:
        """One snapshot, or NotFound."""

        def read(connection: Connection) -> SnapshotView:
            number = history.number(connection, repository, which)
            return _views(connection, repository, [snapshots.get(connection, repository, number).snapshot])[0]

        return await self._database.read(read)

    async def difference(self, repository: str, before: Selector, after: Selector) -> Difference:
        """What was added, removed and changed from one snapshot to another; NotFound."""

        def read(connection: Connection) -> Difference:
            old = history.number(connection, repository, before)
            new = history.number(connection, repository, after)
            return _difference(
                repository,
                (old, history.only_in(connection, repository, old, new)),
                (new, history.only_in(connection, repository, new, old)),
            )

        return await self._database.read(read)

    async def pins(self, repository: str) -> tuple[Pin, ...]:
        """The names of snapshots."""

        def read(connection: Connection) -> list[Pin]:
            repositories.get(connection, repository)
            return pins.listed(connection, repository)

        return tuple(await self._database.read(read))

    async def pin(self, repository: str, name: str, which: Selector, actor: str) -> Pin:
        """Name a snapshot, which is then kept; NotFound, Invalid, or Conflict if the name stands for another one."""
        pin_name(name)
        now = self._now()

        def write(connection: Connection) -> Pin:
            number = history.number(connection, repository, which)
            pin = Pin(repository=repository, name=name, number=number, actor=actor, created_at=now)
            pins.add(connection, pin)
            data: events.Data = {"pin": name, "snapshot": number, "actor": actor}
            events.record(connection, now, "snapshot.pinned", repository, data)
            return pin

        pin = await self._database.write(write)
        self._wakeups.notify(Topic.SERVED, Topic.EVENTS)
        return pin

    async def unpin(self, repository: str, name: str, actor: str) -> None:
        """Forget a name; its snapshot stays until it expires. NotFound."""
        now = self._now()

        def write(connection: Connection) -> None:
            repositories.get(connection, repository)
            pins.remove(connection, repository, name)
            data: events.Data = {"pin": name, "actor": actor}
            events.record(connection, now, "snapshot.unpinned", repository, data)

        await self._database.write(write)
        self._wakeups.notify(Topic.SERVED, Topic.EVENTS)


def _views(connection: Connection, repository: str, found: list[Snapshot]) -> list[SnapshotView]:
    names: dict[int, list[str]] = {}
    for pin in pins.listed(connection, repository):
        names.setdefault(pin.number, []).append(pin.name)
    return [SnapshotView(**msgspec.structs.asdict(it), pins=tuple(names.get(it.number, ()))) for it in found]


def _difference(repository: str, old: tuple[int, list[Held]], new: tuple[int, list[Held]]) -> Difference:
    before = {(it.arch, it.name): it for it in old[1]}
    after = {(it.arch, it.name): it for it in new[1]}
    both = [(before[place], after[place]) for place in sorted(before.keys() & after.keys())]
    return Difference(
        repository=repository,
        before=old[0],
        after=new[0],
        added=tuple(
            Changed(arch=it.arch, name=it.name, before=None, after=it.version)
            for place, it in after.items()
            if place not in before
        ),
        removed=tuple(
            Changed(arch=it.arch, name=it.name, before=it.version, after=None)
            for place, it in before.items()
            if place not in after
        ),
        changed=tuple(
            Changed(arch=was.arch, name=was.name, before=was.version, after=it.version)
            for was, it in both
            # What was rolled back is listed by another row, with the same content.
            if was.sha256 != it.sha256
        ),
    )
