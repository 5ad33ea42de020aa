"""The root of one attempt in a container engine: several containers, of which one at a time is ahead.

What a container may use is settled when it is made. So commands with the network and commands without it run in different
ones. Folders that all of them see are volumes; when one changed more of the root than that, those of other rights that
follow are made of an image of it.
"""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from quarters.builder import dependencies
from quarters.builder.buildroot import Used
from quarters.builder.cleanup import to_the_end
from quarters.builder.command import BUILD_USER, Command, Store
from quarters.builder.engine import tars
from quarters.builder.engine.api import EngineError
from quarters.builder.engine.builder_image import OWNER, ROOTS_RIGHTS, SYNC
from quarters.builder.engine.containers import Plan
from quarters.builder.engine.engine import Engine
from quarters.builder.failure import BuildFailed
from quarters.builder.keyrings import Keyrings
from quarters.builder.workspace import OUT, OWN, Workspace
from quarters.model.build import Reason
from quarters.model.size import Size

ATTEMPT = "quarters.attempt"
"""Label of all that goes when its attempt has ended; its value is the workspace's name."""
_STDIN = "quarters.stdin"
_GRACE = (0.0, 0.01, 0.02, 0.05, 0.1)
"""Seconds that the kernel may take to count a process no longer that has ended."""
_MEMORY_EVERY = 1.0
_DISK_EVERY = 15
"""How many looks at the memory there are to one at the disk, which takes longer."""
_ANY_DOWNLOADED = "compgen -G '/var/cache/pacman/pkg/*.pkg.tar*' >/dev/null"
_HARVEST = """
shopt -s nullglob
for file in /var/cache/pacman/pkg/*.pkg.tar*; do
  if [[ -f $file && ! -L $file && $file != *.part ]]; then
    cp -- "$file" "/store/.new-$$" && mv -- "/store/.new-$$" "/store/${file##*/}"
  fi
done
"""


class Furnished(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same in all containers of the attempt."""

    plan: Plan
    files: bytes
    volume: Callable[[str], str]
    """What the engine calls a volume of the builder's."""
    keyrings: Keyrings
    keyring: Path
    """That of the clean root, if it is there."""
    disk: int
    """Bytes that the build may write; 0 is no limit."""


class _Rights(msgspec.Struct, frozen=True, kw_only=True):
    """What a container is made for."""

    network: bool
    downloading: bool = False
    stores: frozenset[Store] = frozenset()


class _Cell(msgspec.Struct):
    """A container of the attempt."""

    rights: _Rights
    container: str
    running: bool = False


class ContainersRoot:
    """See above; `begin` first, `end` and `remove` at last."""

    borrowed = False

    def __init__(self, engine: Engine, workspace: Workspace, furnished: Furnished) -> None:
        self.owner = workspace.folder.stat().st_uid
        self._engine = engine
        self._workspace = workspace
        self._furnished = furnished
        self._image = furnished.plan.image
        self._files = [furnished.files]
        self._cells: dict[_Rights, asyncio.Task[_Cell]] = {}
        self._dropped: list[asyncio.Task[_Cell]] = []
        self._ahead: _Cell | None = None
        self._images: list[str] = []
        self._harvest: asyncio.Task[None] | None = None
        self._oom_kills = 0
        self._used = Used()

    async def begin(self, *, downloads: bool) -> None:
        """Make the volumes, and the containers that will be needed for sure."""
        labels = self._furnished.plan.labels
        for name in (*OWN, "sync", "downloads"):
            await self._engine.volumes.create(self._volume(name), labels)
        store = self._furnished.volume(dependencies.PACKAGES.name)
        await self._engine.volumes.create(
            store, {OWNER: labels[OWNER], "quarters.store": dependencies.PACKAGES.name}
        )
        packages = frozenset({dependencies.PACKAGES})
        self._prepare(_Rights(network=False, stores=packages))
        if downloads:
            self._prepare(_Rights(network=True, downloading=True, stores=packages))

    async def run(self, command: Command, output: Callable[[bytes], None]) -> int:
        """Run it in the container for such commands, as root or as the build user."""
        if command.downloading and self._harvest is not None:
            await self._harvest
        cell = await self._cell(command)
        if command.installing and not command.downloading:
            self._lead(cell)
        # Engines have a stream each for output and complaints; in one, they stay in the order in which they were printed.
        script = 'exec "$@" 2>&1'
        if command.stdin is not None:
            await self._put(cell, tars.of_files({_STDIN: command.stdin}))
            script += f" </{_STDIN}"
        environment = (f"{name}={value}" for name, value in command.environment.items())
        arguments = ("/bin/sh", "-c", script, "sh", "env", "-i", *environment, *command.arguments)
        user = 0 if command.installing else BUILD_USER
        try:
            code = await self._watched(cell, arguments, output, user, command.folder)
        except BaseException:
            await to_the_end(self._kill(cell))
            raise
        if code:
            self._oom_kills += await self._engine.containers.out_of_memory(cell.container)
        await self._end_what_is_left(cell)
        return code

    async def oom_kills(self) -> int:
        """As the engine noticed."""
        return self._oom_kills

    def elsewhere(self) -> Used:
        """What the engine's containers used, as far as it was looked at."""
        return self._used

    async def trust(self, keys: Collection[str]) -> None:
        """Lay a keyring of all over that of the image, in every container."""
        base = self._furnished.keyring if self._furnished.keyring.is_dir() else None
        if not keys and base is None:
            return
        keyring = await self._furnished.keyrings.holding(keys, base)
        files = await asyncio.to_thread(tars.of_files, {dependencies.KEYRING: keyring})
        self._files.append(files)
        cells = await asyncio.gather(*self._cells.values())
        await asyncio.gather(*(self._put(cell, files) for cell in cells))

    async def harvest(self) -> None:
        """Copy packages to the builder's volume while the build goes on; nothing of them changes any more."""
        downloading = [making for rights, making in self._cells.items() if rights.downloading]
        self._harvest = asyncio.create_task(self._copy_downloads(await downloading[-1]))

    async def results(self) -> Path | None:
        """A folder of the workspace that they are copied to."""
        folder = self._workspace.folder / "results"
        folder.mkdir()
        cell = await next(iter(self._cells.values()))
        return folder if await self._engine.containers.take(cell.container, f"/{OUT}", folder) else None

    async def end(self) -> None:
        """End all processes."""
        cells = await self._all()
        await asyncio.gather(*(self._kill(cell) for cell in cells if cell.running))

    async def remove(self) -> None:
        """Remove all containers, volumes and images of the attempt."""
        if self._harvest is not None:
            await asyncio.gather(self._harvest, return_exceptions=True)
        cells = await self._all()
        await asyncio.gather(*(self._engine.containers.remove(cell.container) for cell in cells))
        for name in (*OWN, "sync", "downloads"):
            await self._engine.volumes.remove(self._volume(name))
        for image in reversed(self._images):
            await self._engine.images.remove(image)

    async def _all(self) -> list[_Cell]:
        made = await asyncio.gather(*self._cells.values(), *self._dropped, return_exceptions=True)
        return [cell for cell in made if isinstance(cell, _Cell)]

    def _volume(self, name: str) -> str:
        return self._furnished.volume(f"{self._furnished.plan.labels[ATTEMPT]}/{name}")

    def _prepare(self, rights: _Rights) -> asyncio.Task[_Cell]:
        task = self._cells[rights] = asyncio.create_task(self._made(rights))
        return task

    async def _cell(self, command: Command) -> _Cell:
        wanted = _Rights(
            network=command.network, downloading=command.downloading, stores=frozenset(command.stores)
        )
        fitting = (rights for rights in self._cells if _fits(rights, wanted, installing=command.installing))
        found = next(fitting, None)
        if found is None and self._ahead is not None:
            await self._follow(self._ahead)
        cell = await (self._cells[found] if found else self._prepare(wanted))
        if not cell.running:
            await self._engine.containers.start(cell.container)
            cell.running = True
        return cell

    async def _follow(self, ahead: _Cell) -> None:
        """Let further containers begin with what `ahead` made of the root."""
        labels = self._furnished.plan.labels
        self._image = await self._engine.containers.commit(ahead.container, labels)
        self._images.append(self._image)
        self._ahead = None
        self._files = []

    def _lead(self, cell: _Cell) -> None:
        """From now on `cell` alone has the root as it is."""
        self._ahead = cell
        for rights in [it for it in self._cells if it != cell.rights]:
            self._dropped.append(self._cells.pop(rights))

    async def _made(self, rights: _Rights) -> _Cell:
        own = self._furnished.plan
        binds = {f"/{name}": self._volume(name) for name in OWN}
        rights_to_downloads = "" if rights.downloading else ":ro"
        binds[f"/{SYNC}"] = self._volume("sync") + rights_to_downloads
        binds[f"/{dependencies.DOWNLOADS}"] = self._volume("downloads") + rights_to_downloads
        for store in rights.stores:
            volume = self._furnished.volume(store.name)
            await self._engine.volumes.create(
                volume, {OWNER: own.labels[OWNER], "quarters.store": store.name}
            )
            binds[store.point] = volume + ("" if store.writable else ":ro")
        plan = msgspec.structs.replace(
            own,
            image=self._image,
            network=own.network if rights.network else "none",
            mounts=tuple(_bind(point, volume) for point, volume in binds.items()),
            capabilities=ROOTS_RIGHTS,
        )
        files = list(self._files)
        cell = _Cell(rights, await self._engine.containers.create(plan))
        for archive in files:
            await self._put(cell, archive)
        await self._engine.containers.start(cell.container)
        cell.running = True
        return cell

    async def _put(self, cell: _Cell, archive: bytes) -> None:
        await self._engine.containers.put(cell.container, archive)

    async def _watched(
        self, cell: _Cell, arguments: tuple[str, ...], output: Callable[[bytes], None], user: int, folder: str
    ) -> int:
        containers = self._engine.containers
        running = asyncio.create_task(
            containers.run(cell.container, arguments, output, user=f"{user}:{user}", folder=folder)
        )
        watching = asyncio.create_task(self._watch(cell))
        try:
            await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
            return await (running if running.done() else watching)
        finally:
            for task in (running, watching):
                task.cancel()
            await asyncio.gather(running, watching, return_exceptions=True)

    async def _watch(self, cell: _Cell) -> int:
        """Without end, but for BuildFailed once the build wrote too much."""
        looks = 0
        while True:
            await asyncio.sleep(_MEMORY_EVERY)
            try:
                memory = await self._engine.containers.memory(cell.container)
                self._used = Used(max(self._used.memory, memory), self._used.disk)
                looks += 1
                if looks % _DISK_EVERY == 1:
                    await self._look_at_disk(cell)
            except EngineError:
                continue  # it ends at this moment, or is short of processes

    async def _look_at_disk(self, cell: _Cell) -> None:
        said = bytearray()
        places = [f"/{name}" for name in OWN]
        command = ("du", "-s", "-c", "--block-size=1", *places, "/tmp", "/var/tmp")
        await self._engine.containers.run(cell.container, command, said.extend)
        total = said.strip().splitlines()[-1].split(b"\t")[0] if said.strip() else b""
        held = int(total) if total.isdigit() else 0
        self._used = Used(self._used.memory, max(self._used.disk, held))
        if self._furnished.disk and held > self._furnished.disk:
            raise BuildFailed(
                Reason.DISK_FULL, f"The build wrote more than its {Size(self._furnished.disk)} of disk."
            )

    async def _kill(self, cell: _Cell) -> None:
        cell.running = False
        await self._engine.containers.kill(cell.container)

    async def _end_what_is_left(self, cell: _Cell) -> None:
        for pause in _GRACE:
            await asyncio.sleep(pause)
            if await self._engine.containers.processes(cell.container) == 1:
                return
        await self._kill(cell)

    async def _copy_downloads(self, downloader: _Cell) -> None:
        containers = self._engine.containers
        if await containers.run(downloader.container, ("/bin/bash", "-c", _ANY_DOWNLOADED), lambda _: None):
            return
        own = self._furnished.plan
        store = self._furnished.volume(dependencies.PACKAGES.name)
        downloads = self._volume("downloads")
        plan = Plan(
            image=own.image,
            network="none",
            labels=own.labels,
            mounts=(f"{downloads}:/{dependencies.DOWNLOADS}:ro", f"{store}:/store"),
        )
        harvester = await containers.create(plan)
        try:
            await containers.start(harvester)
            await containers.run(harvester, ("/bin/bash", "-c", _HARVEST), lambda _: None)
        finally:
            await to_the_end(containers.remove(harvester))


def _fits(there: _Rights, wanted: _Rights, *, installing: bool) -> bool:
    """Whether a container of rights `there` does; the packages of others are nothing that the build user could see."""
    shared = frozenset({dependencies.PACKAGES})
    if (there.network, there.downloading) != (wanted.network, wanted.downloading):
        return False
    return there.stores == wanted.stores or (not installing and there.stores - shared == wanted.stores)


def _bind(point: str, volume: str) -> str:
    name, _, mode = volume.partition(":")
    return f"{name}:{point}:{mode}" if mode else f"{name}:{point}"
