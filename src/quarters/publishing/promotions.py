"""Packages from one repository into another: as references, after a look at what would then be missing."""

from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec
from sqlalchemy import Connection

from quarters.formats.format import Format, Formats
from quarters.model.errors import Conflict, Invalid, NotFound, PublishRejected
from quarters.model.recipe import Provision
from quarters.model.repository import Repository, Snapshot
from quarters.planning.promotion import Installable, Lack, Unlinked, lacking, unlinked
from quarters.protocol.snapshots import Changed, Promoted, Promotion
from quarters.publishing.change import Gathering
from quarters.publishing.linkage import linked, met
from quarters.publishing.swap import Credit, Swap
from quarters.storage import libraries, packages, repositories, upstreams
from quarters.storage.database import Database
from quarters.storage.packages import Listed

_TOLD = 20
"""How many sentences a refusal holds before it only counts the rest; a dry run tells all."""


class Promotions:
    """Lists packages of one repository in another one too."""

    def __init__(self, database: Database, swap: Swap, formats: Formats) -> None:
        self._database = database
        self._swap = swap
        self._formats = formats

    async def promote(self, repository: str, promotion: Promotion, actor: str) -> Promoted:
        """Promote packages; NotFound, Conflict where nothing is new, PublishRejected with what would be missing."""
        target = promotion.target
        if target == repository:
            raise Invalid("A repository cannot be promoted into itself.")
        async with self._swap.lock(target):
            found, wanted = await self._database.read(_wanted, repository, promotion)
            listed = await self._database.read(packages.listed, target)
            format = self._formats[found.format]
            names = {it.file.name for it in wanted}
            gathering = await self._database.read(Gathering.of, found, names, format)
            for it in wanted:
                gathering.list(it)
            change = gathering.change([])
            if not change.put:
                raise Conflict(f"{target} has all of this already.")
            places = {(entry.arch, entry.name) for entry in change.put}
            joining = [it for it in wanted if (it.arch, it.file.name) in places]
            missing = await self._database.read(_missing, repository, found, joining, listed, format)
            if missing and not (promotion.force or promotion.dry_run):
                raise PublishRejected(_refusal(target, missing))
            snapshot: Snapshot | None = None
            if not promotion.dry_run:
                credit = Credit(actor, f"promotion from {repository}")
                snapshot = await self._swap.publish(found, change, credit)
        return Promoted(
            target=target, packages=_changes(joining, listed), missing=tuple(missing), snapshot=snapshot
        )


def _wanted(connection: Connection, name: str, promotion: Promotion) -> tuple[Repository, list[Listed]]:
    """The repository to promote into, and what is to be listed there."""
    source = repositories.get(connection, name)
    target = repositories.get(connection, promotion.target)
    if source.format != target.format:
        raise Invalid(f"{name} is a {source.format} repository, {target.name} a {target.format} one.")
    arches: Collection[str] = target.arches if promotion.arch is None else {promotion.arch}
    chosen = set(promotion.packages)
    listed = packages.listed(connection, name)
    found = [
        it
        for it in (*listed, *_elsewhere(listed, set(arches).difference(source.arches)))
        if it.arch in arches and (not chosen or not chosen.isdisjoint(_names(it)))
    ]
    if missing := sorted(chosen.difference(*map(_names, found))):
        raise NotFound(f"{name} lists no {', '.join(missing)} for {', '.join(sorted(arches))}.")
    return target, found


def _elsewhere(listed: Iterable[Listed], arches: Collection[str]) -> Iterator[Listed]:
    """Packages for any architecture, as they are to be listed for those that their repository does not have."""
    anywhere = {it.file.name: it for it in listed if it.file.arch == "any"}.values()
    return (msgspec.structs.replace(it, arch=arch) for arch in sorted(arches) for it in anywhere)


def _names(listed: Listed) -> tuple[str, ...]:
    """What people call a package by, alone or with others."""
    return (listed.file.name, listed.file.base, *listed.file.groups)


def _missing(
    connection: Connection,
    source: str,
    target: Repository,
    joining: Sequence[Listed],
    listed: Sequence[Listed],
    format: Format,
) -> list[str]:
    """What `target` would lack once `joining` is listed there, in sentences."""
    arches = sorted({it.arch for it in joining})
    sentences = [
        f"What {it.upstream.name} has for {it.arch} is not known yet; it is read within the next minutes."
        for it in upstreams.unknown(connection, target)
        if it.arch in arches
    ]
    for arch in arches:
        lacks = lacking(
            _installable(joining, arch),
            _installable(listed, arch),
            _offered(connection, target, arch),
            format.satisfies,
        )
        sentences += [_sentence(target.name, arch, lack) for lack in lacks]
        told = {(lack.package, str(lack.dependency)) for lack in lacks}
        links = unlinked(
            [linked(it.file) for it in joining if it.arch == arch],
            [linked(it.file) for it in listed if it.arch == arch],
            {library for it in libraries.linked(connection, source, arch) for library in it.provided},
            met(connection, target, arch, format),
        )
        sentences += [
            _link_sentence(target.name, arch, link)
            for link in links
            if (link.package, str(format.library_provision(link.library))) not in told
        ]
    return sentences


def _installable(listed: Iterable[Listed], arch: str) -> list[Installable]:
    return [
        Installable(
            name=it.file.name, version=it.file.version, provides=it.file.provides, depends=it.file.depends
        )
        for it in listed
        if it.arch == arch
    ]


def _offered(connection: Connection, target: Repository, arch: str) -> Iterable[tuple[Provision, ...]]:
    return (package.provisions() for package in upstreams.packages(connection, target, arch))


def _sentence(target: str, arch: str, lack: Lack) -> str:
    package = f"{lack.package} {lack.version} ({arch})"
    if lack.replaced:
        return f"{package} would lose {lack.dependency}, which {lack.replaced} gives it in {target} now."
    return f"{package} needs {lack.dependency}, which neither {target} nor its upstreams have."


def _link_sentence(target: str, arch: str, link: Unlinked) -> str:
    package = f"{link.package} {link.version} ({arch})"
    if link.replaced:
        return f"{package} links to {link.library.soname}, which {link.replaced} gives it in {target} now."
    return f"{package} links to {link.library.soname}, which {target} does not have."


def _refusal(target: str, missing: Sequence[str]) -> str:
    more = f" And {len(missing) - _TOLD} more." if len(missing) > _TOLD else ""
    told = " ".join(missing[:_TOLD])
    return f"This would break {target}; promote what is missing as well, or force it. {told}{more}"


def _changes(joining: Iterable[Listed], listed: Iterable[Listed]) -> tuple[Changed, ...]:
    before = {(it.arch, it.file.name): it.file.version for it in listed}
    return tuple(
        Changed(
            arch=it.arch,
            name=it.file.name,
            before=before.get((it.arch, it.file.name)),
            after=it.file.version,
        )
        for it in joining
    )
