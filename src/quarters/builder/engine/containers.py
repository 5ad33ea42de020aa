"""Containers: made, entered with commands, filled, emptied, removed."""

import asyncio
import io
import os
import struct
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from quarters.builder.engine.api import Api, EngineError

_GONE, _UNCHANGED, _CONFLICT = 404, 304, 409
_FRAME = struct.Struct(">B3xL")
"""In front of each piece of output: which stream it is of, and its bytes (Engine API, ContainerAttach)."""
_SILENCE = 0.25
"""Seconds without output after which it is looked whether the command has ended: what it started may hold the stream."""
_PIECE = 64 << 10
# Waits, and takes the exit codes of what its parents left behind, so that these count as processes no longer.
_INIT = ("/bin/bash", "-c", "while read -r; do :; done")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a container is made of; `mounts` are binds as Docker writes them (`volume:/point:ro`)."""

    image: str
    network: str
    labels: Mapping[str, str]
    mounts: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    memory: int = 0
    """Bytes, with swap; 0 is no limit."""
    processes: int = 0
    cpu_weight: int = 100
    """As in cgroups(7), version 2."""

    def body(self) -> dict[str, Any]:
        """As the API takes it."""
        return {
            "Image": self.image,
            "Cmd": [],
            "Entrypoint": list(_INIT),
            "User": "0:0",
            "WorkingDir": "/",
            "OpenStdin": True,
            "Labels": dict(self.labels),
            **({} if self.network == "host" else {"Hostname": "quarters"}),
            "HostConfig": {
                "NetworkMode": self.network,
                "Binds": list(self.mounts),
                "CapDrop": ["ALL"],
                "CapAdd": list(self.capabilities),
                "SecurityOpt": ["no-new-privileges"],
                "Memory": self.memory,
                "MemorySwap": self.memory,
                "PidsLimit": self.processes,
                # 1024 is Docker's middle, 100 that of the kernel.
                "CpuShares": max(2, self.cpu_weight * 1024 // 100),
                "LogConfig": {"Type": "none"},
            },
        }


class Containers:
    """The containers of an engine."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def create(self, plan: Plan) -> str:
        """Its identity; it does not run yet."""
        made = await self._api.call("POST", "/containers/create", plan.body())
        return str(made["Id"])

    async def start(self, container: str) -> None:
        """Let it wait for commands."""
        await self._api.call("POST", f"/containers/{container}/start")

    async def kill(self, container: str) -> None:
        """End all its processes and wait until they have ended; its files stay."""
        try:
            await self._api.call("POST", f"/containers/{container}/kill")
            await self._api.call("POST", f"/containers/{container}/wait")
        except EngineError as error:
            if error.status not in (_GONE, _CONFLICT):  # it has ended by itself
                raise

    async def remove(self, container: str) -> None:
        """Kill and remove it with its files; volumes that have a name stay."""
        try:
            await self._api.call("DELETE", f"/containers/{container}", force="1", v="1")
        except EngineError as error:
            if error.status not in (_GONE, _CONFLICT):  # it is gone, or about to be
                raise

    async def labelled(self, label: str) -> list[str]:
        """All that bear `label` (`name=value`)."""
        filters = msgspec.json.encode({"label": [label]}).decode()
        found = await self._api.call("GET", "/containers/json", all="1", filters=filters)
        return [str(it["Id"]) for it in found]

    async def run(
        self,
        container: str,
        command: tuple[str, ...],
        output: Callable[[bytes], None],
        *,
        user: str = "0:0",
        folder: str = "/",
    ) -> int:
        """Run `command` in a started container; its exit code. What it started may still run."""
        body = {
            "Cmd": list(command),
            "User": user,
            "WorkingDir": folder,
            "AttachStdout": True,
            "AttachStderr": True,
        }
        made = (await self._api.call("POST", f"/containers/{container}/exec", body))["Id"]
        start = {"Detach": False, "Tty": False}
        async with self._api.opened("POST", f"/exec/{made}/start", json=start) as answer:
            pieces = _Pieces(output)
            while not answer.content.at_eof():
                try:
                    async with asyncio.timeout(_SILENCE):
                        pieces.feed(await answer.content.readany())
                except TimeoutError:
                    if await self._ended(made) is not None:
                        break
        code = await self._ended(made)
        if code is None:
            raise EngineError("The container engine lost the output of a command that still runs.")
        return code

    async def processes(self, container: str) -> int:
        """How many processes it has; 0 where the engine cannot say."""
        # Docker is quick to list them, but its figures may be a second late; Podman's list may be empty.
        try:
            listed = await self._api.call("GET", f"/containers/{container}/top")
        except EngineError:
            return 0
        if listed:
            return len(listed.get("Processes") or ())
        return int(((await self._used(container)).get("pids_stats") or {}).get("current") or 0)

    async def memory(self, container: str) -> int:
        """Bytes that its processes have for themselves; files that are only cached do not count."""
        details = ((await self._used(container)).get("memory_stats") or {}).get("stats") or {}
        # memory.stat of cgroups: `anon` in version 2, `rss` in version 1.
        return int(details.get("anon") or details.get("total_rss") or details.get("rss") or 0)

    async def out_of_memory(self, container: str) -> bool:
        """Whether the kernel ended any of its processes for want of memory."""
        seen = await self._api.call("GET", f"/containers/{container}/json")
        return bool(seen["State"].get("OOMKilled"))

    async def put(self, container: str, archive: bytes) -> None:
        """Unpack a tar archive over its root."""
        await self._api.send("PUT", f"/containers/{container}/archive", archive, path="/")

    async def take(self, container: str, place: str, to: Path) -> bool:
        """Copy the regular files in the folder `place` to the folder `to`; False if there is no such folder.

        Not those below further folders. Whatever the container holds, nothing but such files is made.
        """
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as archive:
            unpacking = asyncio.create_task(asyncio.to_thread(_unpack, archive, to))
            try:
                return await self._copy(container, place, writer)
            finally:
                await unpacking

    async def read(self, container: str, place: str) -> dict[str, bytes]:
        """Small files below `place` by their paths, the first part of which is the last of `place`; empty if none."""
        try:
            async with self._api.opened(
                "GET", f"/containers/{container}/archive", params={"path": place}
            ) as answer:
                data = await answer.read()
        except EngineError as error:
            if error.status == _GONE:
                return {}
            raise
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            files = ((it.name, archive.extractfile(it)) for it in archive if it.isreg())
            return {name: file.read() for name, file in files if file}

    async def commit(self, container: str, labels: Mapping[str, str], name: str = "") -> str:
        """An image of what its root is now, called `name` (`repository:tag`); its identity."""
        query = {"container": container, "pause": "0"}
        if name:
            query["repo"], _, query["tag"] = name.rpartition(":")
        body = {"Labels": dict(labels)}
        return str((await self._api.call("POST", "/commit", body, **query))["Id"])

    async def _copy(self, container: str, place: str, descriptor: int) -> bool:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, os.fdopen(descriptor, "wb", buffering=0)
        )
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        try:
            async with self._api.opened(
                "GET", f"/containers/{container}/archive", params={"path": f"{place}/."}
            ) as answer:
                async for piece in answer.content.iter_chunked(_PIECE):
                    writer.write(piece)
                    await writer.drain()
        except EngineError as error:
            if error.status == _GONE:
                return False
            raise
        finally:
            transport.close()
        return True

    async def _used(self, container: str) -> dict[str, Any]:
        query = {"stream": "0", "one-shot": "1"}
        return await self._api.call("GET", f"/containers/{container}/stats", **query) or {}

    async def _ended(self, command: str) -> int | None:
        seen = await self._api.call("GET", f"/exec/{command}/json")
        return None if seen["Running"] else int(seen["ExitCode"])


class _Pieces:
    """Takes output as the engine frames it, and hands on what was printed."""

    def __init__(self, output: Callable[[bytes], None]) -> None:
        self._output = output
        self._begun = b""

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        data = self._begun + data
        place = 0
        while len(data) - place >= _FRAME.size:
            _, size = _FRAME.unpack_from(data, place)
            if len(data) - place - _FRAME.size < size:
                break
            place += _FRAME.size
            self._output(data[place : place + size])
            place += size
        self._begun = data[place:]


def _unpack(archive: io.BufferedReader, to: Path) -> None:
    try:
        with tarfile.open(fileobj=archive, mode="r|") as members:
            for member in members:
                name = member.name.removeprefix("./")
                file = members.extractfile(member) if member.isreg() else None
                if file is None or "/" in name or name in ("", ".", ".."):
                    continue
                with (to / name).open("xb") as copy:
                    while piece := file.read(_PIECE):
                        copy.write(piece)
    except tarfile.ReadError:
        pass  # the answer was no archive, or ended early: whoever asked is told by the engine's own words
    finally:
        while archive.read(_PIECE):
            pass
