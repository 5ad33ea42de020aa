"""The builder's side of the API: claim builds, then say and send everything about them under their lease."""

from pathlib import Path

import msgspec

from quarters.protocol.builds import (
    LEASE_HEADER,
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
from quarters.protocol.client.files import pieces, store
from quarters.protocol.client.transport import Params, Transport, below

_RAW = "application/octet-stream"


class Work:
    """`/api/v1/claims` and what is below a claimed build; each method raises LeaseLost once the lease is lost."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def claim(self, request: ClaimRequest) -> ClaimReply:
        """Wait up to `request.wait` seconds for builds to work on."""
        answer = await self._transport.exchange(
            "POST", below("claims"), body=msgspec.json.encode(request), headers=_JSON, wait=request.wait
        )
        return self._transport.decoded(answer, ClaimReply)

    async def recipe(self, key: LeaseKey, path: Path) -> None:
        """Write the recipe's files, a tar archive, to `path`."""
        async with self._transport.opened("GET", _below(key, "recipe"), headers=_lease(key)) as answer:
            await store(answer.content.iter_any(), path)

    async def heartbeat(self, key: LeaseKey, heartbeat: Heartbeat) -> HeartbeatReply:
        """Renew the lease; the reply says whether to go on."""
        return await self._post(key, "heartbeat", heartbeat, HeartbeatReply)

    async def resume(self, key: LeaseKey) -> Assignment:
        """Take a build up again whose lease ran out while this builder was away, as its next attempt."""
        answer = await self._transport.exchange("POST", _below(key, "resume"), headers=_lease(key))
        return self._transport.decoded(answer, Assignment)

    async def append_log(self, key: LeaseKey, offset: int, data: bytes) -> Received:
        """Send what the log holds from `offset` on; the reply says how much of the log has arrived for good."""
        answer = await self._transport.exchange(
            "POST",
            _below(key, "log"),
            params={"offset": offset},
            body=data,
            headers=_lease(key) | {"Content-Type": _RAW},
        )
        return self._transport.decoded(answer, Received)

    async def log_received(self, key: LeaseKey) -> Received:
        """How much of the log the server has."""
        return await self._received(_below(key, "log", "received"), key)

    async def artifact_received(self, key: LeaseKey, artifact: ArtifactDigest) -> Received:
        """How much of an artifact the server has."""
        return await self._received(_below(key, "artifacts", artifact.file_name), key)

    async def upload_artifact(
        self, key: LeaseKey, artifact: ArtifactDigest, path: Path, offset: int = 0
    ) -> Received:
        """Send the file at `path` from `offset` on; after a broken connection ask `artifact_received` where to go on."""
        params: Params = {"offset": offset, "size": artifact.size, "sha256": artifact.sha256}
        headers = {"Content-Type": _RAW, "Content-Length": str(artifact.size - offset)}
        answer = await self._transport.exchange(
            "PUT",
            _below(key, "artifacts", artifact.file_name),
            params=params,
            body=pieces(path, offset),
            headers=_lease(key) | headers,
            wait=60,
        )
        return self._transport.decoded(answer, Received)

    async def finish(self, key: LeaseKey, finish: Finish) -> None:
        """Say how the attempt ended; saying the same twice does no harm."""
        await self._transport.exchange(
            "POST", _below(key, "finish"), body=msgspec.json.encode(finish), headers=_lease(key) | _JSON
        )

    async def _post(
        self, key: LeaseKey, verb: str, message: Heartbeat, kind: type[HeartbeatReply]
    ) -> HeartbeatReply:
        answer = await self._transport.exchange(
            "POST", _below(key, verb), body=msgspec.json.encode(message), headers=_lease(key) | _JSON
        )
        return self._transport.decoded(answer, kind)

    async def _received(self, path: str, key: LeaseKey) -> Received:
        return self._transport.decoded(
            await self._transport.exchange("GET", path, headers=_lease(key)), Received
        )


_JSON = {"Content-Type": "application/json"}


def _below(key: LeaseKey, *parts: str) -> str:
    return below("builds", key.build, *parts)


def _lease(key: LeaseKey) -> dict[str, str]:
    return {LEASE_HEADER: key.header()}
