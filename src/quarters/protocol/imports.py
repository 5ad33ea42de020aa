"""Messages of an import: what another repository has is weighed, what is wanted is sent, and all is listed at once."""

from enum import StrEnum
from typing import Annotated

import msgspec

from quarters.model.repository import Snapshot

AT_ONCE = 1000
"""Packages that a client lets weigh by one request, which a body of the usual length holds many times."""

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Verdict(StrEnum):
    """What an import does with a package: nothing, list it, have it sent and list it, or not take it."""

    LISTED = "listed"
    HELD = "held"
    WANTED = "wanted"
    REFUSED = "refused"


class Offered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A package file that could be imported, as its index describes it; `signed` if its signature would be sent too."""

    file_name: Annotated[str, msgspec.Meta(max_length=255)]
    name: Annotated[str, msgspec.Meta(max_length=255)]
    version: Annotated[str, msgspec.Meta(max_length=255)]
    arch: Annotated[str, msgspec.Meta(max_length=32)]
    sha256: Sha256
    signed: bool = False


class Offer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Package files to weigh; nothing changes by that."""

    packages: tuple[Offered, ...]
    allow_downgrade: bool = False


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one of them, and if it is refused, why."""

    file_name: str
    verdict: Verdict
    reason: str = ""


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts on an offer, in its order."""

    packages: tuple[Weighed, ...]


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A package file that is here, verified and signed, and not listed yet; it is kept for `publishing.grace` at least."""

    file_name: str
    sha256: str


class Import(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """List package files that are here already, in one snapshot: `whole` all or none, else those that are not refused."""

    packages: tuple[Sha256, ...]
    allow_downgrade: bool = False
    whole: bool = False


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A package file that was not taken, and why."""

    file_name: str
    reason: str


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """How many packages are newly listed, what was refused, and the snapshot; null if nothing is new."""

    repository: str
    packages: int
    refused: tuple[Refused, ...] = ()
    snapshot: Snapshot | None = None
