"""A server in memory that hands out assignments and keeps all that a builder says, with the recipes to go with it."""

import asyncio
import hashlib
import io
import tarfile
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from quarters.builder.agent import Agent
from quarters.builder.engine.settings import ContainerSettings
from quarters.builder.settings import BuilderSettings, NetworkIsolation
from quarters.config import Config
from quarters.model.build import Step
from quarters.model.errors import LeaseLost, ServerUnreachable
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
from quarters.wiring.builder import works

TOKEN = "qt_a-secret-that-no-build-may-see"


class Recorder:
    """Gives each assignment out once, and remembers everything by build."""

    def __init__(self) -> None:
        self.waiting: list[Assignment] = []
        self.recipes: dict[int, bytes] = {}
        self.logs: dict[int, bytearray] = defaultdict(bytearray)
        self.artifacts: dict[str, bytearray] = defaultdict(bytearray)
        self.finished: dict[int, Finish] = {}
        self.steps: dict[int, Heartbeat] = {}
        self.cancelled: set[int] = set()
        self.lost: set[int] = set()
        self.taken: set[int] = set()
        """Builds that were lost and that somebody else works on by now."""
        self.given: dict[int, Assignment] = {}
        self.failures: list[str] = []
        """Methods whose next call fails after it has done half of its work."""
        self.asking = 0
        self._changed = asyncio.Event()

    def assign(self, assignment: Assignment, files: Mapping[str, str]) -> None:
        """Queue a build of a recipe made of `files`."""
        self.recipes[assignment.build] = archive(files)
        self.waiting.append(assignment)
        self._changed.set()

    async def until_finished(self, build: int) -> Finish:
        """How `build` ended."""
        while build not in self.finished:
            self._changed.clear()
            await self._changed.wait()
        return self.finished[build]

    async def until_nobody_asks(self) -> None:
        """Return when no claim is open."""
        while self.asking:
            self._changed.clear()
            await self._changed.wait()

    async def until_logged(self, build: int, words: str) -> None:
        """Return when the log of `build` holds `words`."""
        while words.encode() not in self.logs[build]:
            self._changed.clear()
            await self._changed.wait()

    def log(self, build: int) -> str:
        """The log as it has arrived."""
        return self.logs[build].decode()

    async def claim(self, request: ClaimRequest) -> ClaimReply:
        """Wait without end."""
        self.asking += 1
        try:
            while not self.waiting:
                self._changed.clear()
                await self._changed.wait()
        finally:
            self.asking -= 1
            self._changed.set()
        given, self.waiting = self.waiting[: request.free], self.waiting[request.free :]
        self.given |= {one.build: one for one in given}
        return ClaimReply(tuple(given))

    async def recipe(self, key: LeaseKey, path: Path) -> None:
        """Write the archive."""
        path.write_bytes(self.recipes[key.build])

    async def heartbeat(self, key: LeaseKey, heartbeat: Heartbeat) -> HeartbeatReply:
        """Remember the steps."""
        self._check(key)
        self.steps[key.build] = heartbeat
        return HeartbeatReply(cancel=key.build in self.cancelled)

    async def resume(self, key: LeaseKey) -> Assignment:
        """Give the build back under a new lease, unless it is somebody else's."""
        if key.build in self.taken:
            raise LeaseLost
        self.lost.discard(key.build)
        self.logs[key.build].clear()
        self.artifacts.clear()
        again = msgspec.structs.replace(
            self.given[key.build], attempt=key.attempt + 1, lease=f"{key.lease} again"
        )
        self.given[key.build] = again
        self._changed.set()
        return again

    async def until_resumed(self, build: int) -> None:
        """Return when `build` was given out a second time to who had it."""
        while self.given[build].attempt == 1:
            self._changed.clear()
            await self._changed.wait()

    async def append_log(self, key: LeaseKey, offset: int, data: bytes) -> Received:
        """Take only what follows on, of the log of the newest attempt."""
        self._check(key)
        log = self.logs[key.build]
        if offset != len(log):
            assert offset > len(log), "what is there already need not be sent again"
            return Received(len(log))
        if "append_log" in self.failures:
            self.failures.remove("append_log")
            log += data[: len(data) // 2]
            raise ServerUnreachable
        log += data
        self._changed.set()
        return Received(len(log))

    async def log_received(self, key: LeaseKey) -> Received:
        """As the log stands."""
        return Received(len(self.logs[key.build]))

    async def upload_artifact(
        self, key: LeaseKey, artifact: ArtifactDigest, path: Path, offset: int
    ) -> Received:
        """Take only what follows on, and verify the whole."""
        self._check(key)
        stored = self.artifacts[artifact.file_name]
        if offset > len(stored):
            return Received(len(stored))
        assert offset == len(stored)
        data = path.read_bytes()[offset:]
        if "upload_artifact" in self.failures:
            self.failures.remove("upload_artifact")
            stored += data[: len(data) // 2]
            raise ServerUnreachable
        stored += data
        assert hashlib.sha256(stored).hexdigest() == artifact.sha256
        return Received(len(stored))

    async def artifact_received(self, key: LeaseKey, artifact: ArtifactDigest) -> Received:
        """As it stands."""
        return Received(len(self.artifacts[artifact.file_name]))

    async def finish(self, key: LeaseKey, finish: Finish) -> None:
        """Remember it."""
        self._check(key)
        if "finish" in self.failures:
            self.failures.remove("finish")
            raise ServerUnreachable
        self.finished[key.build] = finish
        self._changed.set()

    def _check(self, key: LeaseKey) -> None:
        if key.build in self.lost:
            raise LeaseLost


def archive(files: Mapping[str, str]) -> bytes:
    """A tar of `files`."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, text in files.items():
            data = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def pkgbuild(functions: str = "", *, head: str = "", name: str = "thing") -> dict[str, str]:
    """A recipe of an `any` package; `functions` may replace its package(), `head` adds variables."""
    lines = [
        f"pkgname={name}",
        "pkgver=1.0",
        "pkgrel=1",
        "pkgdesc='A thing'",
        "arch=(any)",
        "license=(MIT)",
        head,
        'package() { mkdir -p "$pkgdir/usr/share/thing"; echo thing >"$pkgdir/usr/share/thing/it"; }',
        functions,
        "",
    ]
    return {"PKGBUILD": "\n".join(lines)}


def assignment(build: int = 1, **changes: Any) -> Assignment:
    """A build of what `pkgbuild` makes."""
    fields: dict[str, Any] = {
        "build": build,
        "attempt": 1,
        "lease": "lease",
        "heartbeat": 5.0,
        "repository": "main",
        "arch": "x86_64",
        "pkgbase": "thing",
        "version": "1.0-1",
        "outputs": ("thing",),
        "dynamic_version": False,
        "dependencies": (),
        "remote_sources": False,
        "repositories": (),
        "packager": "Ada Author <ada@example.org>",
        "timeout": 120,
    }
    return Assignment(**(fields | changes))


def settings(data: Path, **changes: Any) -> BuilderSettings:
    """A builder whose folder is `data`."""
    fields: dict[str, Any] = {"name": "one", "data": data, "token": TOKEN, "arches": ("x86_64",)}
    # Sources of tests are served by this machine itself.
    fields["network_isolation"] = NetworkIsolation.OFF
    return BuilderSettings(**(fields | changes))


def agent(
    server: Recorder, chosen_settings: BuilderSettings, container: ContainerSettings | None = None
) -> Agent:
    """A builder with the real executor."""
    config = Config(builder=chosen_settings, container=container or ContainerSettings())
    return Agent(chosen_settings, server, works(config, server))


@asynccontextmanager
async def running(recorder: Recorder, data: Path, **changes: Any) -> AsyncIterator[asyncio.Task[None]]:
    """A builder at work for `recorder`; `container` among the changes are the settings of that executor."""
    container = changes.pop("container", None)
    task = asyncio.create_task(agent(recorder, settings(data, **changes), container).run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def built(
    data: Path,
    files: Mapping[str, str],
    *,
    wait: float = 60,
    builder: Mapping[str, Any] | None = None,
    **changes: Any,
) -> tuple[Finish, Recorder]:
    """Build one recipe and return how that ended."""
    server = Recorder()
    server.assign(assignment(**changes), files)
    async with asyncio.timeout(wait), running(server, data, **(builder or {})) as task:
        finished = asyncio.ensure_future(server.until_finished(changes.get("build", 1)))
        await asyncio.wait({finished, task}, return_when=asyncio.FIRST_COMPLETED)
        if not finished.done():
            task.result()  # raises what ended the builder
        return finished.result(), server


def step_codes(finish: Finish) -> dict[Step, int | None]:
    """The exit code of each step."""
    return {record.step: record.exit_code for record in finish.steps}
