"""What a publish would leave with a library that is there no more."""

from collections.abc import Callable, Collection, Iterable, Sequence

from sqlalchemy import Connection

from quarters.formats.format import Format
from quarters.model.library import Library
from quarters.model.repository import PackageFile, Repository
from quarters.planning.rebuilds import Linked, Loss, broken, losses, overlaid
from quarters.publishing.change import Change
from quarters.storage import libraries, upstreams


def linked(file: PackageFile) -> Linked:
    """A package by its libraries."""
    return Linked(
        name=file.name,
        base=file.base,
        version=file.version,
        provided=file.libraries.provided,
        needed=file.libraries.needed,
    )


def met(
    connection: Connection, repository: Repository, arch: str, format: Format
) -> Callable[[Library], bool]:
    """Whether an upstream of `repository` says that it provides a library."""
    offered = {it for package in upstreams.packages(connection, repository, arch) for it in package.provides}
    return lambda library: format.library_provision(library) in offered


def breaks(
    connection: Connection,
    repository: Repository,
    arch: str,
    before: Sequence[Linked],
    joining: Iterable[Linked],
    format: Format,
) -> dict[str, tuple[Loss, ...]]:
    """By pkgbase, what would link to something that is there no more once `joining` took its place."""
    after = overlaid(before, joining)
    lost = losses(before, after)
    return broken(after, lost, met(connection, repository, arch, format)) if lost else {}


def culprits(
    connection: Connection,
    repository: Repository,
    change: Change,
    files: Collection[PackageFile],
    format: Format,
) -> dict[str, list[str]]:
    """By pkgbase of `files`, sentences about what others link to and it takes away; nothing where nobody minds."""
    by_sha256 = {file.sha256: file for file in files}
    replaced = libraries.listed(connection, repository.name, change.gone)
    found: dict[str, list[str]] = {}
    for arch, its in replaced.items():
        joining = [linked(by_sha256[entry.sha256]) for entry in change.put if entry.arch == arch]
        if not losses(its, joining):
            continue
        before = libraries.linked(connection, repository.name, arch)
        bases = {it.name: it.base for it in joining}
        for base, lost in breaks(connection, repository, arch, before, joining, format).items():
            if base in bases.values():
                continue  # is being replaced itself
            for loss in lost:
                if loss.package in bases:
                    found.setdefault(bases[loss.package], []).append(f"{base} {loss.told()}")
    return found
