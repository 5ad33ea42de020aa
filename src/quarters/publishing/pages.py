"""What a page about a package shows, put together in one transaction."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection

from quarters.formats.format import Format, Formats
from quarters.model.recipe import Provision
from quarters.model.repository import PackageFile
from quarters.protocol.packages import FileList, PackageDetails, PackageOrigin, PackageVersion
from quarters.publishing.repositories import view_of
from quarters.storage import package_pages, packages, repositories
from quarters.storage.database import Database
from quarters.storage.package_pages import Needing, Origin

_NEEDING = 500
_VERSIONS = 100


class Pages:
    """Shows packages of the served snapshots in full; what it reads is bounded by the repository, never by its history."""

    def __init__(self, database: Database, formats: Formats) -> None:
        self._database = database
        self._formats = formats

    async def show(self, repository: str, arch: str, name: str) -> PackageDetails:
        """All about a package but its files; NotFound."""
        return await self._database.read(self._shown, repository, arch, name)

    async def files(self, repository: str, arch: str, name: str) -> FileList:
        """The paths in it; NotFound."""

        def read(connection: Connection) -> FileList:
            format = self._formats[repositories.get(connection, repository).format]
            sha256 = packages.get(connection, repository, arch, name).file.sha256
            return FileList(files=format.describe(packages.index_parts(connection, [sha256])[sha256]).files)

        return await self._database.read(read)

    def _shown(self, connection: Connection, repository: str, arch: str, name: str) -> PackageDetails:
        format = self._formats[repositories.get(connection, repository).format]
        listed = packages.get(connection, repository, arch, name)
        file = listed.file
        said = format.describe(packages.index_parts(connection, [file.sha256])[file.sha256])
        names = {file.name, *(it.name for it in file.provides)}
        needing = required_by(file, package_pages.needing(connection, repository, arch, names), format)
        versions = package_pages.versions(connection, repository, arch, name, _VERSIONS)
        return PackageDetails(
            **msgspec.structs.asdict(view_of(repository, listed)),
            url=file.url,
            build_date=datetime.fromtimestamp(file.build_date, UTC) if file.build_date else None,
            licenses=said.licenses,
            groups=said.groups,
            conflicts=said.conflicts,
            replaces=said.replaces,
            optdepends=said.optional,
            makedepends=said.make,
            checkdepends=said.check,
            required_by=tuple(needing[:_NEEDING]),
            required=len(needing),
            versions=tuple(PackageVersion(**it._asdict()) for it in versions),
            signed_by=tuple(package_pages.signed_by(connection, file.sha256)),
            files=len(said.files),
            origin=_origin(package_pages.origin(connection, listed.build)),
        )


def required_by(file: PackageFile, packages: Iterable[Needing], format: Format) -> list[str]:
    """The names of those of `packages` that depend on `file` itself or on what it provides, itself not among them."""
    offers: dict[str, list[Provision]] = {}
    for it in (Provision(file.name, file.version), *file.provides):
        offers.setdefault(it.name, []).append(it)
    return [
        package.name
        for package in packages
        if package.name != file.name
        and any(
            format.satisfies(offer, dependency)
            for dependency in package.depends
            for offer in offers.get(dependency.name, ())
        )
    ]


def _origin(origin: Origin | None) -> PackageOrigin | None:
    if origin is None:
        return None
    return PackageOrigin(**origin._asdict(), log=f"/api/v1/builds/{origin.build}/log")
