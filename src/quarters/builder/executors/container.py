"""Builds in containers of Docker or Podman, wherever the engine is: all that it needs is its HTTP API."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from quarters.builder import dependencies, furnishing, leftovers, limits
from quarters.builder.cleanup import to_the_end
from quarters.builder.engine import tars
from quarters.builder.engine.api import EngineError
from quarters.builder.engine.builder_image import OWNER, BuilderImage
from quarters.builder.engine.containers import Plan
from quarters.builder.engine.engine import Engine
from quarters.builder.engine.settings import ContainerSettings
from quarters.builder.executors.containers_root import ATTEMPT, ContainersRoot, Furnished
from quarters.builder.failure import BuilderUnusable
from quarters.builder.keyrings import Keyrings
from quarters.builder.settings import BuilderSettings
from quarters.builder.workspace import Workspace, remove
from quarters.protocol.builds import Assignment

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST = "host"
_report = structlog.stdlib.get_logger(__name__)


class Container:
    """An executor that needs an engine which takes its requests, and no rights on this machine."""

    name = "container"

    def __init__(
        self, settings: BuilderSettings, container: ContainerSettings, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._container = container
        self._now = now
        self._owner = f"{settings.name}@{settings.data}"
        self._engine: Engine | None = None
        self._image: BuilderImage | None = None
        self._tidying: set[asyncio.Task[None]] = set()
        self._refreshing: asyncio.Task[None] | None = None

    def check(self) -> None:
        """BuilderUnusable if containers could not reach the server."""
        host = urlsplit(self._settings.server).hostname or ""
        if host in _LOOPBACK and self._container.network != _HOST:
            raise BuilderUnusable(
                f"Containers on the network {self._container.network} cannot reach a server at {host}: set "
                f"builder.server to an address of this machine, or container.network to {_HOST}."
            )

    async def start(self) -> None:
        """Remove what a predecessor left in the engine, and take or make the builder image."""
        self.check()
        await self.close()
        await leftovers.end(self._settings.data)
        try:
            self._engine = Engine(self._container.engine)
            _report.info("container engine found", engine=await self._engine.version())
            await self._remove_leftovers(self._engine)
        except EngineError as error:
            await self.close()
            raise BuilderUnusable(str(error)) from error
        self._image = BuilderImage(self._engine, self._container, self._owner, self._now)
        await self._image.start()
        self._refreshing = asyncio.create_task(self._image.keep_fresh())

    async def close(self) -> None:
        """Wait until all of ended builds is removed, and let go of the engine."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await asyncio.gather(*self._tidying)
        if self._engine is not None:
            await self._engine.close()
            self._engine = None

    @asynccontextmanager
    async def furnished(self, assignment: Assignment, workspace: Workspace) -> AsyncIterator[ContainersRoot]:
        """Containers of the newest builder image; their processes are gone on leaving, their files soon after."""
        engine, image = self._engine, self._image
        assert engine is not None  # noqa: S101
        assert image is not None  # noqa: S101
        with image.lent() as identity:
            clean = await self._clean(engine, identity)
            files = furnishing.files(assignment, self._settings, lambda name: _text(clean / name))
            # That one is the engine's own business.
            own = {name: text for name, text in files.items() if name != "etc/resolv.conf"}
            allowed = limits.of(assignment, self._settings)
            plan = Plan(
                image=identity,
                network=self._container.network,
                labels={OWNER: self._owner, ATTEMPT: workspace.folder.name},
                memory=allowed.memory,
                processes=allowed.processes,
                cpu_weight=allowed.cpu_weight,
            )
            furnished = Furnished(
                plan=plan,
                files=tars.of_files(own),
                volume=self._volume,
                keyrings=Keyrings(self._settings.data / "cache" / "keyrings"),
                keyring=clean / dependencies.KEYRING,
                disk=allowed.disk,
            )
            root = ContainersRoot(engine, workspace, furnished)
            try:
                await root.begin(downloads=bool(assignment.dependencies))
                yield root
            finally:
                await to_the_end(root.end())
                self._in_background(root.remove())

    def _in_background(self, tidying: Coroutine[Any, Any, None]) -> None:
        async def tidy() -> None:
            try:
                await tidying
            except EngineError as error:
                _report.warning("something of a build is left in the engine", why=str(error))

        task = asyncio.create_task(tidy())
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)

    def _volume(self, name: str) -> str:
        """What the engine calls the volume `name` of this builder: its own names are short, and hold no slash."""
        digest = hashlib.sha256(f"{self._owner}/{name}".encode()).hexdigest()
        return f"quarters-{digest[:24]}"

    async def _remove_leftovers(self, engine: Engine) -> None:
        mine = f"{OWNER}={self._owner}"
        for container in await engine.containers.labelled(mine):
            await engine.containers.remove(container)
        for name, labels in (await engine.volumes.labelled(mine)).items():
            store = labels.get("quarters.store", "")
            # The folder of this name on this machine is how long the store is wanted.
            if not store or (store != dependencies.PACKAGES.name and not self._stored(store).is_dir()):
                await engine.volumes.remove(name)
        for image in await engine.images.labelled(mine):
            if ATTEMPT in image.labels:
                await engine.images.remove(image.identity)

    def _stored(self, name: str) -> Path:
        return self._settings.data / "cache" / name

    async def _clean(self, engine: Engine, image: str) -> Path:
        """A folder with those files of the image that this machine has to know."""
        folder = self._settings.data / "cache" / "images" / image.removeprefix("sha256:")[:24]
        if not folder.is_dir():
            fresh = folder.with_name(f"{folder.name}.new")
            await remove(fresh)
            await _copy_out(engine, Plan(image=image, network="none", labels={OWNER: self._owner}), fresh)
            if not folder.is_dir():
                fresh.rename(folder)
        return folder


async def _copy_out(engine: Engine, plan: Plan, folder: Path) -> None:
    container = await engine.containers.create(plan)
    try:
        for name in ("etc/passwd", "etc/group", dependencies.KEYRING):
            for inner, data in (await engine.containers.read(container, f"/{name}")).items():
                path = folder / Path(name).parent / inner
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.write_bytes(data)
    finally:
        await engine.containers.remove(container)


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
