"""Packages of a repository: list, show, upload, remove."""

from litestar import Router, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody, SkipValidation

from quarters.model.repository import Snapshot
from quarters.model.token import Scope
from quarters.protocol.packages import FileList, PackageDetails
from quarters.protocol.resources import PackageView, Page
from quarters.protocol.snapshots import Removal
from quarters.publishing.uploads import Terms
from quarters.server.bodies import chunks, signature_in
from quarters.server.routes import (
    API,
    LIMIT,
    Actor,
    AllowDowngrade,
    Arch,
    Asking,
    Called,
    Cursor,
    Given,
    Limit,
    Name,
    OfArch,
    Package,
    RawBody,
    Search,
    Signature,
    needs,
)


@get("/{name:str}/packages", **needs(Scope.READ, "listPackages", 404))
async def list_packages(
    services: Given,
    name: Name,
    arch: OfArch = None,
    text: Search = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Page[PackageView]:
    """What the current snapshot lists, by name; `query` is part of a name."""
    return await services.repositories.packages(name, arch, text, limit, cursor)


@get("/{name:str}/packages/{arch:str}/{pkgname:str}", **needs(Scope.READ, "showPackage", 404))
async def show_package(services: Given, name: Name, arch: Arch, pkgname: Package) -> PackageDetails:
    """One package of the current snapshot: what it needs, what needs it, its versions, what it was built from."""
    return await services.pages.show(name, arch, pkgname)


@get("/{name:str}/packages/{arch:str}/{pkgname:str}/files", **needs(Scope.READ, "listPackageFiles", 404))
async def list_package_files(services: Given, name: Name, arch: Arch, pkgname: Package) -> FileList:
    """The paths of a package."""
    return await services.pages.files(name, arch, pkgname)


def upload_terms(allow_downgrade: AllowDowngrade = False, signature: Signature = None) -> Terms:
    """What comes with an uploaded file."""
    return Terms(allow_downgrade=allow_downgrade, signature=signature_in(signature))


@post(
    "/{name:str}/packages",
    operation_class=RawBody,
    request_max_body_size=None,
    dependencies={"terms": Provide(upload_terms, sync_to_thread=False)},
    **needs(Scope.PUBLISH, "publishPackage", 404, 409, 413, 507),
)
async def publish_package(
    request: Asking,
    services: Given,
    actor: Actor,
    name: Name,
    file_name: Called,
    terms: NamedDependency[SkipValidation[Terms]],
) -> PackageView:
    """Upload a package file; once this is answered, clients can install it."""
    async with services.uploads.received(chunks(request, services.uploads.limit)) as path:
        return await services.publisher.upload(name, file_name, path, actor, terms)


@delete(
    "/{name:str}/packages/{arch:str}/{pkgname:str}",
    status_code=200,
    **needs(Scope.PUBLISH, "removePackage", 404, 409),
)
async def remove_package(services: Given, actor: Actor, name: Name, arch: Arch, pkgname: Package) -> Snapshot:
    """Take a package out of the index; earlier snapshots keep it."""
    return await services.publisher.remove(name, arch, pkgname, actor)


@post("/{name:str}/removals", **needs(Scope.PUBLISH, "removePackages", 404, 409, 413))
async def remove_packages(services: Given, actor: Actor, name: Name, data: JSONBody[Removal]) -> Snapshot:
    """Take several packages out of the index at once, or none of them."""
    return await services.publisher.remove_all(name, data, actor)


def router() -> Router:
    """The routes of this resource."""
    handlers = [
        list_packages,
        show_package,
        list_package_files,
        publish_package,
        remove_package,
        remove_packages,
    ]
    return Router(f"{API}/repositories", route_handlers=handlers, tags=["packages"])
