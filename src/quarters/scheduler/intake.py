"""What builders send in: logs and artifacts on their way to the disk, whoever holds the lease."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from quarters.formats.format import Formats
from quarters.model.errors import Invalid, UploadDamaged
from quarters.protocol.builds import ArtifactDigest, LeaseKey
from quarters.storage.logs import LogFiles
from quarters.storage.uploads import Content, Incoming


@dataclass(frozen=True)
class Intake:
    """Where logs and artifacts are put, and the formats that judge their names."""

    logs: LogFiles
    incoming: Incoming
    formats: Formats

    async def append_log(self, key: LeaseKey, offset: int, data: bytes) -> int:
        """Add to the log of an attempt; how much of it is there for good."""
        if offset < 0:
            raise Invalid("An offset is not negative.")
        return await asyncio.to_thread(self.logs.append, key.build, key.attempt, offset, data)

    def path(self, key: LeaseKey, format: str, file_name: str) -> Path:
        """Where an artifact of an attempt goes; Invalid if it is not called as a package is."""
        if "/" in file_name or not self.formats[format].accepts_file_name(file_name):
            raise Invalid(f"{file_name!r} is not the name of a package file.")
        return self.incoming.path(key.build, key.attempt, file_name)

    async def receive(
        self, path: Path, artifact: ArtifactDigest, offset: int, chunks: AsyncIterator[bytes]
    ) -> tuple[int, bool]:
        """Take an artifact from `offset` on; how much is there, and whether that is all of it, verified and on the disk.

        An offset beyond what is there is not taken. UploadDamaged, and nothing is kept, if it is not what was announced.
        """
        there = path.stat().st_size if path.exists() else 0
        if not 0 <= offset <= min(there, artifact.size):
            return there, False
        size, sha256 = await self.incoming.receive(path, artifact.size, offset, chunks)
        if size < artifact.size:
            return size, False
        if not await self.incoming.is_whole(path, Content(artifact.size, artifact.sha256), sha256):
            path.unlink(missing_ok=True)
            raise UploadDamaged(
                f"{artifact.file_name} arrived damaged: its SHA-256 is not the announced one. Send it again."
            )
        return size, True
