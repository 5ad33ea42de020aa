"""Brings the packages of another repository into one of the server's: only what it lacks, listed all at once."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from quarters.formats.format import Format, Listing
from quarters.model.errors import Invalid, OriginUnusable, PackageInvalid, QuartersError
from quarters.model.repository import Repository, Snapshot
from quarters.protocol.client import Client
from quarters.protocol.imports import AT_ONCE, Import, Offer, Offered, Refused, Verdict
from quarters.transfer.crew import Progress, each
from quarters.transfer.origins.origin import Origin

_SENDERS = 8
_ATTEMPTS = 3
_PAUSE = 1.0
_LARGEST = 1 << 40
"""Bytes; no server takes more, and the number is somebody else's."""

_NAMELESS = "Its entry in the index names no file that could be a package."
_DAMAGED = "Its entry in the index gives no SHA-256, or is damaged."


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to import: `location` may hold $repo and $arch, `name` is what the repository calls itself there."""

    repository: str
    location: str
    name: str
    arch: str | None = None
    allow_downgrade: bool = False
    dry_run: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How an import went: packages that the origin lists, that were listed here before, that were sent and that are new.

    A dry run tells what it would send and list; it makes no snapshot.
    """

    repository: str
    location: str
    found: int
    there: int
    sent: int
    packages: int
    refused: tuple[Refused, ...]
    snapshot: Snapshot | None = None
    ignores_signatures: bool = False
    """Packages have signatures, and the repository trusts no key by which they could be judged."""


class _Candidate(NamedTuple):
    place: str
    listing: Listing
    offered: Offered


class Importer:
    """Reads an origin and sends what the server wants of it."""

    def __init__(self, client: Client, origin: Origin, format: Format, progress: Progress) -> None:
        self._client = client
        self._origin = origin
        self._format = format
        self._progress = progress
        self._sent = 0
        self._bytes = 0

    async def run(self, order: Order) -> Report:
        """Import; OriginUnusable where there is no index, NotFound. What was sent until an error is not sent again."""
        repository = await self._client.repositories.show(order.repository)
        candidates, refused = await self._candidates(order, repository)
        verdicts = await self._weighed(order, candidates, refused)
        judged = list(zip(candidates, verdicts, strict=True))
        wanted = [it for it, verdict in judged if verdict is Verdict.WANTED]
        ready = [it.offered.sha256 for it, verdict in judged if verdict is Verdict.HELD]
        packages, snapshot = len(wanted) + len(ready), None
        if not order.dry_run:
            ready += await self._send_all(repository, wanted, refused)
            packages = 0
            if ready:
                done = await self._client.imports.publish(
                    order.repository,
                    Import(packages=tuple(ready), allow_downgrade=order.allow_downgrade),
                )
                packages, snapshot = done.packages, done.snapshot
                refused += done.refused
        return Report(
            repository=order.repository,
            location=order.location,
            found=len(candidates),
            there=verdicts.count(Verdict.LISTED),
            sent=len(wanted) if order.dry_run else self._sent,
            packages=packages,
            refused=tuple(refused),
            snapshot=snapshot,
            ignores_signatures=not repository.trusted_keys
            and any(self._origin.is_signed(it.place, it.listing) for it in islice(candidates, 100)),
        )

    async def _candidates(
        self, order: Order, repository: Repository
    ) -> tuple[list[_Candidate], list[Refused]]:
        """What the origin lists for the wanted architectures, each file once, and what cannot even be asked about."""
        if order.arch is not None and order.arch not in repository.arches:
            has = ", ".join(repository.arches)
            raise Invalid(f"{order.repository} is not for {order.arch}; it has {has}.")
        located = order.location.replace("$repo", order.name)
        arches = repository.arches if order.arch is None else (order.arch,)
        found: dict[str, _Candidate] = {}
        refused = []
        (index, *_) = self._format.index_aliases(order.name, repository.compression)
        for place in dict.fromkeys(located.replace("$arch", arch) for arch in arches):
            for listing in self._format.read_listing(await self._origin.index(place, index)):
                if order.arch not in (None, listing.arch) and listing.arch != "any":
                    continue
                if not self._format.accepts_file_name(listing.file_name):
                    refused.append(Refused(file_name=listing.name, reason=_NAMELESS))
                    continue
                signed = bool(repository.trusted_keys) and self._origin.is_signed(place, listing)
                offered = _offered(listing, signed=signed)
                if offered is None:
                    refused.append(Refused(file_name=listing.file_name, reason=_DAMAGED))
                else:
                    found[f"{offered.sha256} {offered.file_name}"] = _Candidate(place, listing, offered)
        return list(found.values()), refused

    async def _weighed(
        self, order: Order, candidates: Iterable[_Candidate], refused: list[Refused]
    ) -> list[Verdict]:
        verdicts = []
        some = iter(candidates)
        while chunk := tuple(islice(some, AT_ONCE)):
            offer = Offer(packages=tuple(it.offered for it in chunk), allow_downgrade=order.allow_downgrade)
            for weighed in (await self._client.imports.weigh(order.repository, offer)).packages:
                verdicts.append(weighed.verdict)
                if weighed.verdict is Verdict.REFUSED:
                    refused.append(Refused(file_name=weighed.file_name, reason=weighed.reason))
        return verdicts

    async def _send_all(
        self, repository: Repository, wanted: Sequence[_Candidate], refused: list[Refused]
    ) -> list[str]:
        """Send side by side; returns the sha256 of what arrived. What the server has is kept, whatever stops this."""
        arrived = []

        async def send(candidate: _Candidate) -> None:
            try:
                await self._send(repository, candidate)
            except (Invalid, OriginUnusable) as error:
                refused.append(Refused(file_name=candidate.listing.file_name, reason=str(error)))
            else:
                arrived.append(candidate.offered.sha256)
                self._sent += 1
                self._progress(self._sent, len(wanted), self._bytes)

        await each(wanted, send, _SENDERS)
        return arrived

    async def _send(self, repository: Repository, candidate: _Candidate) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._send_once(repository, candidate)
            except OriginUnusable:
                if attempt == _ATTEMPTS:
                    raise
                await asyncio.sleep(_PAUSE * attempt)
            else:
                return

    async def _send_once(self, repository: Repository, candidate: _Candidate) -> None:
        place, listing, offered = candidate
        signature = await self._origin.signature(place, listing) if repository.trusted_keys else None
        failure: QuartersError | None = None

        async def content() -> AsyncIterator[bytes]:
            nonlocal failure
            digest = hashlib.sha256()
            left = listing.size
            try:
                async for piece in self._origin.content(place, listing):
                    digest.update(piece)
                    left -= len(piece)
                    if not left and digest.hexdigest() != offered.sha256:
                        raise PackageInvalid("Its SHA-256 is not the one that the index gives.")
                    self._bytes += len(piece)
                    yield piece
            except (OriginUnusable, PackageInvalid) as error:
                failure = error
                raise

        try:
            announced = (listing.file_name, listing.size, offered.sha256)
            await self._client.imports.send(repository.name, announced, content(), signature)
        except QuartersError:
            if failure is not None:  # what the connection to the server then came to is no news
                raise failure from None
            raise


def _offered(listing: Listing, *, signed: bool) -> Offered | None:
    """The listing as it is offered to the server; None where it is none that could be."""
    told = {key: getattr(listing, key) for key in ("file_name", "name", "version", "arch", "sha256")}
    try:
        return msgspec.convert({**told, "signed": signed}, Offered) if 0 < listing.size <= _LARGEST else None
    except msgspec.ValidationError:
        return None
