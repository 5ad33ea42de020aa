"""Builds with bubblewrap over an overlay of the root: dependencies as a restricted root, the rest as nobody special."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from quarters.builder import cgroups, dependencies, furnishing, leftovers, limits, package_cache, rootless
from quarters.builder.bubblewrap import Layer, Surroundings, run
from quarters.builder.buildroot import Used
from quarters.builder.command import Command
from quarters.builder.failure import BuilderUnusable
from quarters.builder.keyrings import Keyrings
from quarters.builder.network import Networks
from quarters.builder.root.provision import Provision
from quarters.builder.settings import BuilderSettings
from quarters.builder.watchdog import Watchdog
from quarters.builder.workspace import OUT, OWN, PATH, Workspace
from quarters.protocol.builds import Assignment

_DAY = 86_400
_TOOLS = ("bwrap", "setpriv", "unshare", "mount", "gpg", "rm")


class Sandbox:
    """An executor that needs namespaces of this machine and nothing that runs in the background."""

    name = "sandbox"

    def __init__(self, settings: BuilderSettings, roots: Provision) -> None:
        self._settings = settings
        self._roots = roots
        self._attempts = 0
        self._pruned_at: float | None = None
        self._writable: dict[Layer, Layer] = {}
        self._stores = settings.data / "cache"
        self._controllers = cgroups.Controllers({})
        self._networks = Networks(settings.network_isolation, settings.allow_local, settings.server)
        self._groups = cgroups.prefix(settings.data)

    def check(self) -> None:
        """BuilderUnusable says what is missing."""
        missing = [tool for tool in _TOOLS if shutil.which(tool, path=PATH) is None]
        if missing:
            raise BuilderUnusable(
                f"{', '.join(missing)} cannot be found; install bubblewrap, util-linux and gnupg."
            )
        if set(str(self._settings.data)) & set(",:\\"):
            raise BuilderUnusable("The path in builder.data may not hold a comma, a colon or a backslash.")
        rootless.check(self._settings.data, PATH)
        self._networks.check()

    async def start(self) -> None:
        """End a predecessor's processes and have a root; BuilderUnusable if that cannot work."""
        self.check()
        await leftovers.end(self._settings.data)
        self._controllers = cgroups.found()
        self._controllers.clear(self._groups)
        (self._stores / dependencies.PACKAGES.name).mkdir(parents=True, exist_ok=True)
        await self._roots.start()
        await self._networks.start()
        with self._roots.lent() as layers:
            await asyncio.to_thread(self._with_skeletons, layers)

    def _with_skeletons(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        return tuple(map(self._with_skeleton, layers))

    def _with_skeleton(self, layer: Layer) -> Layer:
        if layer not in self._writable:
            folder = self._settings.data / "roots" / f"skeleton-{layer.point or 'root'}"
            self._writable[layer] = replace(layer, skeleton=rootless.skeleton(layer.lower, folder))
        return self._writable[layer]

    async def close(self) -> None:
        """Make no more roots."""
        await self._roots.close()

    @asynccontextmanager
    async def furnished(self, assignment: Assignment, workspace: Workspace) -> AsyncIterator["Overlay"]:
        """Write what this attempt's root has of its own; the rest is the same for all and there already."""
        await self._prune()
        with self._used(), self._roots.lent() as lent:
            layers = self._with_skeletons(lent)
            self._furnish(assignment, workspace, layers)
            given = limits.of(assignment, self._settings)
            with self._controllers.group(f"{self._groups}{workspace.folder.name}", given) as group:
                watchdog = Watchdog(given, group, workspace.folder)
                around = Surroundings(self._stores, watchdog)
                yield Overlay(layers, workspace, around, self._networks, borrowed=self._roots.borrowed)

    @contextmanager
    def _used(self) -> Iterator[None]:
        self._attempts += 1
        try:
            yield
        finally:
            self._attempts -= 1

    async def _prune(self) -> None:
        """Once a day, while no build is about to install what is there."""
        now = time.monotonic()
        if not self._attempts and (self._pruned_at is None or now - self._pruned_at > _DAY):
            self._pruned_at = now
            with self._used():
                await asyncio.to_thread(
                    package_cache.prune,
                    self._stores / dependencies.PACKAGES.name,
                    int(self._settings.package_limit),
                )

    def _furnish(self, assignment: Assignment, workspace: Workspace, layers: tuple[Layer, ...]) -> None:
        for name in OWN:
            folder = workspace.changes / name
            folder.mkdir()
            folder.chmod(0o755)
            if not rootless.is_needed():
                os.chown(folder, workspace.uid, workspace.uid)
        (workspace.changes / "etc").mkdir()
        (workspace.changes / "etc").chmod(0o755)
        for name, text in furnishing.files(assignment, self._settings, partial(_text, layers)).items():
            (workspace.changes / name).write_text(text)
            (workspace.changes / name).chmod(0o644)


def _text(layers: tuple[Layer, ...], name: str) -> str:
    found = next((layer.lower / name for layer in layers if not layer.point), None)
    return found.read_text() if found and found.is_file() else ""


class Overlay:
    """A root that never is anywhere but in the mount namespaces of its commands; removed with its workspace."""

    def __init__(
        self,
        layers: tuple[Layer, ...],
        workspace: Workspace,
        around: Surroundings,
        networks: Networks,
        *,
        borrowed: bool,
    ) -> None:
        self.borrowed = borrowed
        self.owner = workspace.uid
        self._layers = layers
        self._workspace = workspace
        self._around = around
        self._networks = networks
        self._keyrings = Keyrings(around.stores / "keyrings")

    async def run(self, command: Command, output: Callable[[bytes], None]) -> int:
        """Run it in namespaces of its own, whose end is the end of all that it started."""
        async with self._networks.of(command) as namespace:
            around = self._around._replace(namespace=namespace)
            return await run(command, self._layers, self._workspace, around, output)

    async def oom_kills(self) -> int:
        """As the control group of this build counts, or of this builder where builds have none."""
        return self._around.watchdog.oom_kills

    def elsewhere(self) -> Used:
        """What the watchdog saw: a build that needs too much is over before it could be measured."""
        return Used(memory=self._around.watchdog.most_memory)

    async def trust(self, keys: Collection[str]) -> None:
        """Lay a keyring of all over that of the layer below all others."""
        own = next(layer.lower for layer in self._layers if not layer.point) / dependencies.KEYRING
        base = own if own.is_dir() else None
        if keys or base:
            keyring = await self._keyrings.holding(keys, base)
            await asyncio.to_thread(shutil.copytree, keyring, self._workspace.changes / dependencies.KEYRING)

    async def harvest(self) -> None:
        """Move packages to the builder's cache; pacman verifies them at each use."""
        dependencies.harvest(self._workspace, self._around.stores / dependencies.PACKAGES.name)

    async def results(self) -> Path | None:
        """Where they are."""
        return self._workspace.changed(OUT)
