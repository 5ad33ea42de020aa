"""Sends finished package files to the server, going on where a broken connection left off."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import msgspec

from quarters.builder.failure import BuildFailed
from quarters.builder.hold import Hold
from quarters.builder.persistence import AWAY, Patience
from quarters.builder.products import digest
from quarters.builder.signing import Signer
from quarters.model.build import Reason
from quarters.model.errors import Invalid, UploadDamaged
from quarters.protocol.builds import ArtifactDigest, LeaseKey, Received


async def described(folder: Path, signer: Signer | None) -> tuple[ArtifactDigest, ...]:
    """What every file of `folder` holds, signed if so wished."""
    found = []
    for path in sorted(folder.iterdir()):
        artifact = await asyncio.to_thread(digest, path)
        if signer is not None:
            artifact = msgspec.structs.replace(artifact, signature=await signer.sign(path))
        found.append(artifact)
    return tuple(found)


async def upload(folder: Path, artifacts: tuple[ArtifactDigest, ...], hold: Hold, *, begun: bool) -> None:
    """Send the files of `folder`, of which some may have arrived where this was `begun` before.

    BuildFailed if the server does not take one of them.
    """
    for artifact in artifacts:
        path = folder / artifact.file_name
        try:
            try:
                await _send(path, artifact, hold, begun=begun)
            except UploadDamaged:
                await _send(path, artifact, hold, begun=False)
        except Invalid as error:
            raise BuildFailed(Reason.PUBLISH_REJECTED, f"{path.name} was refused: {error}") from error


async def _send(path: Path, artifact: ArtifactDigest, hold: Hold, *, begun: bool) -> None:
    def ask(key: LeaseKey) -> Awaitable[Received]:
        return hold.server.artifact_received(key, artifact)

    received = (await hold.ask(ask)).size if begun else 0
    patience = Patience(hold.patience)
    while True:
        offset = received
        try:
            received = (
                await hold.once(lambda key: hold.server.upload_artifact(key, artifact, path, offset))  # noqa: B023
            ).size
        except AWAY:
            # What arrived before the connection broke is kept.
            received = (await hold.ask(ask)).size
        if received >= artifact.size:
            return
        if received > offset:
            patience.restore()
        else:
            await patience.pause()
