"""A build that a benchmark has claimed from a real server and works on in the builder's place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from benchmarks.running import Server
from quarters.model.token import Scope
from quarters.protocol.builds import Assignment, ClaimRequest
from quarters.protocol.client import Client
from quarters.protocol.resources import NewRepository, NewSource, NewToken
from tests.system.farm import commit, recipe

PATIENT = {"QUARTERS_SCHEDULER__HEARTBEAT": "3600"}
"""Settings of a server whose leases stand though nobody renews them."""


class Claimed(msgspec.Struct, frozen=True):
    """The build, and a client with the rights of its builder."""

    build: Assignment
    client: Client


@asynccontextmanager
async def claimed(server: Server, folder: Path) -> AsyncIterator[Claimed]:
    """Give the server a recipe, and claim the build that it makes of it."""
    tree = folder / "tree"
    recipe(tree, "bench")
    commit(tree)
    async with Client(server.connection.url, server.connection.token) as admin:
        await admin.repositories.create(NewRepository(name="bench"))
        await admin.sources.create(NewSource(name="tree", location=str(tree), repository="bench"))
        token = await admin.tokens.create(NewToken(name="anvil", scope=Scope.BUILDER))
    async with Client(server.connection.url, token.secret) as client:
        request = ClaimRequest(builder="anvil", arches=("x86_64",), slots=1, free=1, wait=60)
        (build,) = (await client.work.claim(request)).assignments
        yield Claimed(build, client)
