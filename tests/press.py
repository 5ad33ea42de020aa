"""A whole publishing part on a database and a folder, with packages and finished builds to feed it."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from quarters.formats.format import Formats
from quarters.formats.pacman import Pacman
from quarters.model.build import Build, Cause, State
from quarters.model.recipe import Output, Recipe
from quarters.planning.farm import Queue
from quarters.protocol.resources import NewRepository
from quarters.publishing.deliveries import Deliveries
from quarters.publishing.history import History
from quarters.publishing.imports import Imports
from quarters.publishing.index import IndexWriter
from quarters.publishing.inspection.inspector import Inspector
from quarters.publishing.intake import Intake
from quarters.publishing.keyrings import Keyrings
from quarters.publishing.keys import KeyRing
from quarters.publishing.pages import Pages
from quarters.publishing.promotions import Promotions
from quarters.publishing.publisher import Publisher
from quarters.publishing.repositories import Repositories
from quarters.publishing.retention import Retention
from quarters.publishing.rotation import Rotation
from quarters.publishing.settings import PublishingSettings
from quarters.publishing.shelf import Shelf
from quarters.publishing.staging import Staging
from quarters.publishing.swap import Swap
from quarters.publishing.trust import Trust
from quarters.storage import builds, queues
from quarters.storage.database import Database
from quarters.storage.package_files import PackageFiles
from quarters.storage.public import PublicTree
from quarters.storage.schema import artifacts, requests
from quarters.storage.schema import builds as builds_table
from quarters.storage.uploads import Incoming
from quarters.storage.wakeups import Wakeups

NOON = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)


class Clock:
    """Time stands still until a test moves it."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@dataclass(frozen=True)
class Made:
    """A package file as makepkg would have made it."""

    file_name: str
    version: str
    content: bytes


def package(
    name: str,
    version: str = "1.0-1",
    *,
    arch: str = "x86_64",
    base: str = "",
    text: str = "Hello.\n",
    more: str = "",
) -> Made:
    """A package with one file, `text`; `more` are further lines of .PKGINFO."""
    pkginfo = f"pkgname = {name}\npkgbase = {base or name}\npkgver = {version}\npkgdesc = Says {name}\narch = {arch}\n"
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for path, content in (
            (".PKGINFO", f"{pkginfo}builddate = 1700000000\nsize = {len(text)}\n{more}"),
            (f"usr/share/{name}", text),
        ):
            member = tarfile.TarInfo(path)
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return Made(f"{name}-{version}-{arch}.pkg.tar.gz", version, gzip.compress(target.getvalue(), mtime=0))


def recipe(
    pkgbase: str,
    *names: str,
    version: str = "1.0-1",
    arches: tuple[str, ...] = ("x86_64",),
    dynamic: bool = False,
) -> Recipe:
    """A recipe that promises packages of these names, by default the pkgbase's."""
    return Recipe(
        pkgbase=pkgbase,
        version=version,
        arches=arches,
        outputs=tuple(Output(name=name, arches=arches) for name in names or (pkgbase,)),
        dynamic_version=dynamic,
    )


class Press:
    """Publishing, wired as a server wires it."""

    def __init__(self, database: Database, folder: Path, key: str = "") -> None:
        self.folder = folder
        self.database = database
        self.clock = Clock()
        self.wakeups = Wakeups()
        self.settings = PublishingSettings()
        self.files = PackageFiles(folder / "packages")
        self.incoming = Incoming(folder / "incoming")
        self.sign_with(key)

    def sign_with(self, key: str) -> None:
        """Wire everything anew with the key of that name."""
        formats: Formats = {"pacman": Pacman()}
        database, wakeups = self.database, self.wakeups
        self.keys = KeyRing(self.folder / "keys", PublishingSettings(key=key), self.clock)
        self.keys.ensure()
        self.index = IndexWriter(self.folder / "index", database, formats, self.keys)
        self.public = PublicTree(self.folder / "public")
        self.swap = Swap(database, wakeups, self.index, self.public, self.clock)
        intake = Intake(database, self.files, self.keys, formats)
        self.staging = Staging(database, wakeups, self.swap, self.index, formats)
        self.deliveries = Deliveries(database, wakeups, self.incoming, intake, self.staging, self.settings)
        self.publisher = Publisher(database, intake, self.swap)
        self.imports = Imports(database, self.files, intake, self.swap)
        self.history = History(database, wakeups, self.clock)
        self.promotions = Promotions(database, self.swap, formats)
        self.retention = Retention(database, wakeups, self.files, self.swap, self.settings, self.clock)
        self.inspector = Inspector(database, self.files, self.index, self.keys, formats, self.swap)
        self.rotation = Rotation(database, self.keys, self.swap)
        self.keyrings = Keyrings(database, self.keys, self.publisher, formats, self.clock)
        self.trust = Trust(database, self.swap)
        self.repositories = Repositories(database, wakeups, self.swap, self.index, self.keys, formats)
        self.pages = Pages(database, formats)
        self.shelf = Shelf(database, self.files, self.index, self.keys, formats)

    async def repository(self, name: str = "own", arches: tuple[str, ...] = ("x86_64",)) -> None:
        """A new repository."""
        await self.repositories.create(NewRepository(name=name, arches=arches), "anna")

    async def delivered(self, recipe: Recipe, *made: Made, repository: str = "own", **columns: Any) -> int:
        """A build of `recipe` whose builder delivered `made`; returns its number."""
        build = await self.database.write(_deliver, recipe, made, repository, columns)
        for it in made:
            path = self.incoming.path(build, 1, it.file_name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(it.content)
        return build

    async def published(self, recipe: Recipe, *made: Made, repository: str = "own", **columns: Any) -> Build:
        """The build after it was delivered and publishing had its turn."""
        build = await self.delivered(recipe, *made, repository=repository, **columns)
        await self.deliveries.publish_ready()
        return await self.build(build)

    async def build(self, number: int) -> Build:
        """A build as it stands."""
        return await self.database.read(builds.get, number)

    async def listed(self, repository: str = "own", arch: str = "x86_64") -> dict[str, str]:
        """Names and versions in the served index file."""
        path = await self.shelf.index_file(repository, None, arch, f"{repository}.db")
        return {it.name: it.version for it in Pacman().read_index(path.read_bytes())}

    async def upload(self, made: Made, repository: str = "own") -> None:
        """Publish a package by hand."""
        path = self.folder / "upload"
        path.write_bytes(made.content)
        try:
            await self.publisher.upload(repository, made.file_name, path, "anna")
        finally:
            path.unlink()


def _deliver(
    connection: Connection, recipe: Recipe, made: Sequence[Made], repository: str, columns: dict[str, Any]
) -> int:
    request = connection.execute(
        insert(requests)
        .values(repository=repository, arch="x86_64", requester="anna", created_at=NOON, packages=[], problems=[],
                planned_at=NOON)
        .returning(requests.c.id)
    ).scalar_one()  # fmt: skip
    values: dict[str, Any] = {
        "arch": "x86_64",
        "fingerprint": f"fingerprint of {recipe.pkgbase} {recipe.version}",
        "state": State.PUBLISHING,
    }
    of = Queue(values.get("arch", ""), repository, "tree")
    queue = queues.ensure(connection, [of])[of]
    build: int = connection.execute(
        insert(builds_table)
        .values(request_id=request, repository=repository, pkgbase=recipe.pkgbase, source="tree", path=recipe.pkgbase,
                revision="0", version=recipe.version, recipe=recipe, cause=Cause.REQUESTED, requester="anna",
                packager="Anna <anna@example.org>", queue=queue, attempt=1, created_at=NOON, **{**values, **columns})
        .returning(builds_table.c.id)
    ).scalar_one()  # fmt: skip
    for it in made:
        connection.execute(
            insert(artifacts).values(
                build=build,
                attempt=1,
                file_name=it.file_name,
                size=len(it.content),
                sha256=hashlib.sha256(it.content).hexdigest(),
                version=it.version,
            )
        )
    return build


async def rows(database: Database, table: Any) -> int:
    """How many rows a table has."""
    return len(await database.read(lambda connection: connection.execute(select(table)).all()))
