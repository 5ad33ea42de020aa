"""Repositories as people see and change them, with the packages and snapshots in them."""

import asyncio
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from quarters.formats.format import Formats
from quarters.model.errors import Invalid
from quarters.model.names import arch_name, plain_name
from quarters.model.repository import Repository, Snapshot
from quarters.protocol import cursors
from quarters.protocol.resources import NewRepository, PackageView, Page, RepositoryChange, RepositoryView
from quarters.publishing.change import Change, between
from quarters.publishing.index import IndexWriter
from quarters.publishing.keys import KeyRing
from quarters.publishing.swap import Credit, Swap
from quarters.storage import events, packages, repositories, snapshots
from quarters.storage.database import Database
from quarters.storage.snapshots import Entry
from quarters.storage.wakeups import Topic, Wakeups

_START = ("", "")


class Repositories:
    """Creates, shows, changes and deletes repositories; every one has a signed index from the beginning."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        swap: Swap,
        index: IndexWriter,
        keys: KeyRing,
        formats: Formats,
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._swap = swap
        self._index = index
        self._keys = keys
        self._formats = formats

    async def list(self, limit: int, cursor: str | None) -> Page[RepositoryView]:
        """Repositories by name."""
        after = cursors.decode(cursor, str, "")
        found = await self._database.read(_listed, after, limit + 1)
        return cursors.page([self._view(*pair) for pair in found], limit, lambda view: view.name)

    async def create(self, new: NewRepository, actor: str = "") -> RepositoryView:
        """Create a repository with an empty index; Invalid, or Conflict if the name is taken."""
        repository = Repository(**msgspec.structs.asdict(new))
        self._check(repository)

        def insert(connection: Connection, now: datetime) -> None:
            repositories.add(connection, repository, now)
            events.record(connection, now, "repository.created", repository.name, {"actor": actor})

        async with self._swap.lock(repository.name):
            await self._database.read(repositories.check_free, repository.name)
            snapshot = await self._swap.publish(repository, Change(), Credit(actor, "created"), insert)
        return self._view(repository, snapshot)

    async def show(self, name: str) -> RepositoryView:
        """One repository, or NotFound."""
        return self._view(*await self._database.read(_shown, name))

    async def change(self, name: str, change: RepositoryChange, actor: str = "") -> RepositoryView:
        """Change what `change` names; other architectures or another compression make a new snapshot."""
        async with self._swap.lock(name):
            old = await self._database.read(repositories.get, name)
            changes = {
                field: value for field, value in msgspec.structs.asdict(change).items() if value is not None
            }
            repository = msgspec.structs.replace(old, **changes)
            self._check(repository)

            def update(connection: Connection, now: datetime) -> None:
                repositories.change(connection, repository)
                events.record(connection, now, "repository.changed", name, {"actor": actor})

            others = _others(old, repository)
            if not others:
                await self._database.write(update, self._swap.now())
                self._wakeups.notify(Topic.EVENTS, Topic.PLANNING)
            else:
                rearranged = await self._database.read(_rearranged, old, repository)
                await self._swap.publish(repository, rearranged, Credit(actor, others), update)
                self._wakeups.notify(Topic.PLANNING)
        return await self.show(name)

    async def delete(self, name: str, actor: str = "") -> None:
        """Delete a repository, its builds and its snapshots; NotFound, or Conflict while something still feeds it."""

        def remove(connection: Connection, now: datetime) -> None:
            repositories.remove(connection, name)
            events.record(connection, now, "repository.deleted", name, {"actor": actor})

        async with self._swap.lock(name):
            with self._swap.public.closed(name):
                await self._database.write(remove, self._swap.now())
            self._wakeups.notify(Topic.SERVED)
            await asyncio.to_thread(self._index.drop, name)
            await asyncio.to_thread(self._swap.public.sweep)
        self._wakeups.notify(Topic.EVENTS)

    async def packages(
        self, name: str, arch: str | None, query: str | None, limit: int, cursor: str | None
    ) -> Page[PackageView]:
        """What the served snapshot lists, by name; `query` is part of the name."""
        after = cursors.decode(cursor, tuple[str, str], _START)

        def read(connection: Connection) -> list[packages.Listed]:
            repositories.get(connection, name)
            return packages.listed(connection, name, arch=arch, query=query, after=after, limit=limit + 1)

        found = [view_of(name, listed) for listed in await self._database.read(read)]
        return cursors.page(found, limit, lambda view: (view.name, view.arch))

    def _view(self, repository: Repository, snapshot: Snapshot | None) -> RepositoryView:
        return RepositoryView(
            **msgspec.structs.asdict(repository), snapshot=snapshot, key=self._keys.fingerprint
        )

    def _check(self, repository: Repository) -> None:
        plain_name(repository.name, "repository")
        if repository.format not in self._formats:
            known = ", ".join(sorted(self._formats))
            raise Invalid(f"There is no format {repository.format!r}; known are {known}.")
        if not repository.arches or len(set(repository.arches)) < len(repository.arches):
            raise Invalid("A repository needs at least one architecture, each of them once.")
        for arch in repository.arches:
            if arch_name(arch) == "any":
                raise Invalid("Packages for any architecture are listed in each; `any` is none itself.")
        if repository.timeout <= 0:
            raise Invalid("The time limit of a build has to be above 0 seconds.")
        if repository.keep_versions < 0 or repository.keep_days < 0:
            raise Invalid("How many versions and days to keep cannot be below 0; 0 is no rule.")
        names = [plain_name(upstream.name, "repository") for upstream in repository.upstreams]
        if len({repository.name, *names}) <= len(names):
            raise Invalid("An upstream needs a name of its own: pacman tells repositories apart by it.")


def view_of(repository: str, listed: packages.Listed) -> PackageView:
    """A package as the API shows it."""
    file = listed.file
    return PackageView(
        repository=repository,
        arch=listed.arch,
        name=file.name,
        base=file.base,
        version=file.version,
        description=file.description,
        file_name=file.file_name,
        size=file.size,
        installed_size=file.installed_size,
        sha256=file.sha256,
        packager=file.packager,
        depends=tuple(map(str, file.depends)),
        provides=tuple(map(str, file.provides)),
        added_at=listed.added_at,
        snapshot=listed.since,
        build=listed.build,
    )


def _shown(connection: Connection, name: str) -> tuple[Repository, Snapshot | None]:
    repository = repositories.get(connection, name)
    served = snapshots.listed(connection, name, limit=1)
    return repository, served[0] if served else None


def _listed(connection: Connection, after: str, limit: int) -> list[tuple[Repository, Snapshot | None]]:
    return [
        _shown(connection, repository.name)
        for repository in repositories.listed(connection, after=after, limit=limit)
    ]


def _others(old: Repository, new: Repository) -> str:
    """In words, what makes clients get other files for the same packages; "" where nothing does."""
    if set(new.arches) != set(old.arches):
        return "other architectures"
    if new.keep_signatures != old.keep_signatures:
        return "other signatures"
    return f"{new.compression} instead of {old.compression}" if new.compression is not old.compression else ""


def _rearranged(connection: Connection, old: Repository, new: Repository) -> Change:
    """The same packages for other architectures: those that come new list what is for any architecture."""
    number = repositories.current(connection, old.name)
    before = snapshots.content(connection, old.name, number)
    anywhere = packages.anywhere(connection, sorted({entry.sha256 for entry in before}))
    shared = {entry.name: entry.sha256 for entry in before if entry.sha256 in anywhere}
    after = [entry for entry in before if entry.arch in new.arches]
    for arch in set(new.arches).difference(old.arches):
        after += [Entry(arch, name, sha256) for name, sha256 in shared.items()]
    return between(before, after)
