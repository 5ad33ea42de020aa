"""Messages about what people change in a tree through the server."""

from typing import Annotated

import msgspec
from msgspec import Meta

PackageName = Annotated[str, Meta(max_length=255, pattern=r"^[A-Za-z0-9@_+][A-Za-z0-9@._+-]*$")]


class Tending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Packages to bump or to drop, a commit for each; `message` stands in the commits, "" for the usual one."""

    packages: Annotated[tuple[PackageName, ...], Meta(min_length=1, max_length=1000)]
    message: Annotated[str, Meta(max_length=2000)] = ""


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a wish: the commit that was pushed for a package, "" if nothing was different."""

    package: str
    commit: str
