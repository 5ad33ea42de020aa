"""What a builder asks of its server; the HTTP client's `work` is one, whoever opens the connection."""

from pathlib import Path
from typing import Protocol

from quarters.protocol.builds import (
    ArtifactDigest,
    Assignment,
    ClaimReply,
    ClaimRequest,
    Finish,
    Heartbeat,
    HeartbeatReply,
    LeaseKey,
    Received,
)


class Server(Protocol):
    """Every method may raise ServerUnreachable or Unavailable (try again) and LeaseLost (stop)."""

    async def claim(self, request: ClaimRequest, /) -> ClaimReply:
        """Wait for builds to work on."""
        ...

    async def recipe(self, key: LeaseKey, path: Path, /) -> None:
        """Write a tar archive of the recipe's files to `path`."""
        ...

    async def heartbeat(self, key: LeaseKey, heartbeat: Heartbeat, /) -> HeartbeatReply:
        """Renew the lease; the reply says whether to go on."""
        ...

    async def resume(self, key: LeaseKey, /) -> Assignment:
        """Take a build up again whose lease ran out, as its next attempt."""
        ...

    async def append_log(self, key: LeaseKey, offset: int, data: bytes, /) -> Received:
        """Send what the log holds from `offset` on."""
        ...

    async def log_received(self, key: LeaseKey, /) -> Received:
        """How much of the log the server has."""
        ...

    async def upload_artifact(
        self, key: LeaseKey, artifact: ArtifactDigest, path: Path, offset: int, /
    ) -> Received:
        """Send the file at `path` from `offset` on."""
        ...

    async def artifact_received(self, key: LeaseKey, artifact: ArtifactDigest, /) -> Received:
        """How much of an artifact the server has."""
        ...

    async def finish(self, key: LeaseKey, finish: Finish, /) -> None:
        """Say how the attempt ended; saying it twice does no harm."""
        ...
