"""Sends finished package files to the server, going on where a broken connection left off."""

import asyncio
import functools
from pathlib import Path

import msgspec

from quarters.builder.failure import BuildFailed
from quarters.builder.persistence import AWAY, persistently
from quarters.builder.products import digest
from quarters.builder.server import Server
from quarters.builder.signing import Signer
from quarters.model.build import Reason
from quarters.model.errors import Invalid
from quarters.protocol.builds import ArtifactDigest, LeaseKey


async def upload(
    folder: Path, server: Server, key: LeaseKey, patience: float, signer: Signer | None
) -> tuple[ArtifactDigest, ...]:
    """Sign, if so wished, and send every file of `folder`; BuildFailed if the server does not take one of them."""
    sent = []
    for path in sorted(folder.iterdir()):
        artifact = await asyncio.to_thread(digest, path)
        if signer is not None:
            artifact = msgspec.structs.replace(artifact, signature=await signer.sign(path))
        try:
            await _send(path, artifact, server, key, patience)
        except Invalid as error:
            raise BuildFailed(Reason.PUBLISH_REJECTED, f"{path.name} was refused: {error}") from error
        sent.append(artifact)
    return tuple(sent)


async def _send(path: Path, artifact: ArtifactDigest, server: Server, key: LeaseKey, patience: float) -> None:
    received = 0
    ask = functools.partial(server.artifact_received, key, artifact)
    while True:
        send = functools.partial(server.upload_artifact, key, artifact, path, received)
        try:
            # A try that got further is worth another one at once; one that did not may find the server away.
            arrived = (await send()).size
        except AWAY:
            arrived = (await persistently(ask, patience)).size
            if arrived <= received:
                arrived = (await persistently(send, patience)).size
        if arrived >= artifact.size:
            return
        received = arrived
