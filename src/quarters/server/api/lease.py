"""The lease under which a builder speaks about a build."""

from typing import Annotated

from litestar.di import NamedDependency
from litestar.params import HeaderParameter

from quarters.protocol.builds import LEASE_HEADER, LeaseKey
from quarters.server.routes import Given, Id

Lease = Annotated[
    str,
    HeaderParameter(
        name=LEASE_HEADER,
        pattern=r"^[0-9]{1,9}:[\x21-\x7e]{1,200}$",
        description="`<attempt>:<lease token>`",
    ),
]
Key = NamedDependency[LeaseKey]
"""What `lease_key` reads, on routes that have it as their dependency `key`."""


async def lease_key(services: Given, build: Id, lease: Lease) -> LeaseKey:
    """The lease under which a builder speaks."""
    attempt, _, token = lease.partition(":")
    return LeaseKey(build, int(attempt), token)
