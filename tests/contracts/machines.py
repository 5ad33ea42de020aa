"""Builders of every kind of executor, for the one suite that runs against each."""

import asyncio
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from quarters.builder.engine import tars
from quarters.builder.engine.containers import Plan
from quarters.builder.engine.engine import Engine
from quarters.builder.engine.settings import ContainerSettings
from quarters.builder.executors.containers_root import ATTEMPT
from quarters.protocol.builds import Finish
from tests import engines
from tests.inhabitants import inhabitants
from tests.integration.recorder import Recorder, built, running

NAME = "one"
"""What the recorder's builders are called."""
STORE = "quarters.store"


class Machine(ABC):
    """A machine that builds in one way."""

    is_sandbox = False

    def __init__(self, data: Path, settings: Mapping[str, Any]) -> None:
        self.data = data
        self.settings = dict(settings)

    async def built(
        self, files: Mapping[str, str], *, builder: Mapping[str, Any] | None = None, **changes: Any
    ) -> tuple[Finish, Recorder]:
        """Build one recipe."""
        return await built(self.data, files, builder={**self.settings, **(builder or {})}, **changes)

    def running(self, server: Recorder, **builder: Any) -> AbstractAsyncContextManager[object]:
        """A builder at work for `server`."""
        return running(server, self.data, **{**self.settings, **builder})

    @abstractmethod
    async def cached(self) -> list[str]:
        """Names of the packages that are kept for all builds."""

    @abstractmethod
    async def cached_file(self, name: str) -> bytes:
        """One of them."""

    @abstractmethod
    async def cache(self, name: str, content: bytes) -> None:
        """Lay one there."""

    @abstractmethod
    async def left_over(self) -> list[str]:
        """What is there of builds that have ended."""


class Overlays(Machine):
    """With the sandbox."""

    is_sandbox = True

    @property
    def _packages(self) -> Path:
        return self.data / "cache" / "packages"

    async def cached(self) -> list[str]:
        """As the folder has them."""
        return sorted(path.name for path in self._packages.iterdir())

    async def cached_file(self, name: str) -> bytes:
        """From the folder."""
        return (self._packages / name).read_bytes()

    async def cache(self, name: str, content: bytes) -> None:
        """Into the folder."""
        self._packages.mkdir(parents=True)
        (self._packages / name).write_bytes(content)

    async def left_over(self) -> list[str]:
        """Processes."""
        return [str(pid) for pid in inhabitants(self.data)]


class Engines(Machine):
    """With a container engine; all tests share its builder image, and nothing else."""

    def __init__(self, data: Path, address: str, root: Path) -> None:
        container = ContainerSettings(
            engine=address, root=root, packages=(), upgrade=False, refresh=0, network="host"
        )
        super().__init__(data, {"executor": "container", "container": container})
        self.engine = Engine(address)
        self._owner = f"quarters.builder={NAME}@{data}"

    async def cached(self) -> list[str]:
        """As a container sees the volume."""
        listed = await self._in_store("ls", "/store")
        return listed.decode().split()

    async def cached_file(self, name: str) -> bytes:
        """As a container reads it."""
        return await self._in_store("cat", f"/store/{name}")

    async def cache(self, name: str, content: bytes) -> None:
        """By way of a container; the first build makes the volume."""
        await self.built({})
        await self._in_store("cp", f"/{name}", f"/store/{name}", files={name: content})

    async def left_over(self) -> list[str]:
        """Containers, volumes and images."""
        containers = await self.engine.containers.labelled(self._owner)
        volumes = await self.engine.volumes.labelled(self._owner)
        images = await self.engine.images.labelled(self._owner)
        return [
            *containers,
            *(name for name, labels in volumes.items() if STORE not in labels),
            *(image.identity for image in images if ATTEMPT in image.labels),
        ]

    async def forget(self) -> None:
        """Remove what builds keep for others."""
        for name in await self.engine.volumes.labelled(self._owner):
            await self.engine.volumes.remove(name)

    async def _in_store(self, *command: str, files: Mapping[str, bytes] | None = None) -> bytes:
        volumes = await self.engine.volumes.labelled(self._owner)
        (store,) = (name for name, labels in volumes.items() if labels.get(STORE) == "packages")
        (image,) = await self.engine.images.labelled(self._owner)
        plan = Plan(image=image.identity, network="none", labels={}, mounts=(f"{store}:/store",))
        container = await self.engine.containers.create(plan)
        try:
            await self.engine.containers.put(container, tars.of_files(files or {}))
            await self.engine.containers.start(container)
            said = bytearray()
            assert await self.engine.containers.run(container, command, said.extend) == 0
            return bytes(said)
        finally:
            await self.engine.containers.remove(container)


@contextmanager
def _or_skipped() -> Iterator[None]:
    try:
        yield
    except engines.Unavailable as why:
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root for container engines to import."""
    path = tmp_path_factory.mktemp("containers") / "root.tar"
    with _or_skipped():
        engines.root(path)
    return path


@pytest.fixture(scope="session")
def docker(archive: Path) -> Iterator[tuple[str, Path]]:
    """A Docker Engine's address and the root."""
    with _or_skipped(), engines.docker() as address:
        yield address, archive


@pytest.fixture(scope="session")
def podman(archive: Path) -> Iterator[tuple[str, Path]]:
    """A Podman service's address and the root."""
    with _or_skipped(), engines.podman() as address:
        yield address, archive


@pytest.fixture(params=["sandbox", "docker"])
async def machine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Machine]:
    """A builder of each kind; in the end nothing of any build may be left."""
    if request.param == "sandbox":
        if os.geteuid() != 0 or not all(map(shutil.which, ("bwrap", "makepkg", "pacman"))):
            pytest.skip("the sandbox needs root, bubblewrap and pacman")
        overlays = Overlays(tmp_path / "data", {})
        yield overlays
        assert await overlays.left_over() == []
        return
    address, root = request.getfixturevalue(request.param)
    containers = Engines(root.parent / request.param, address, root)
    await containers.forget()
    yield containers
    try:
        async with asyncio.timeout(30):
            assert await containers.left_over() == []
    finally:
        await containers.engine.close()
