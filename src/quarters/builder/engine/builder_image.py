"""The image that builds start from: made of a base, brought up to date, with what makepkg needs and the build user."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import msgspec
import structlog

from quarters.builder import dependencies
from quarters.builder.command import BUILD_USER
from quarters.builder.engine import tars
from quarters.builder.engine.api import EngineError
from quarters.builder.engine.containers import Plan
from quarters.builder.engine.engine import Engine
from quarters.builder.engine.images import Image
from quarters.builder.engine.settings import ContainerSettings
from quarters.builder.failure import BuilderUnusable
from quarters.builder.roots import with_build_user
from quarters.builder.workspace import CCACHE, OWN

ROOTS_RIGHTS = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SYS_CHROOT", "SETFCAP", "SETUID", "SETGID")
"""What pacman needs to own and label files and to run scriptlets."""
SYNC = "var/lib/pacman/sync"
OWNER, MADE, FROM = "quarters.builder", "quarters.made", "quarters.from"
"""Labels: whose image it is, when it was made (seconds since 1970), of what (a digest of the settings)."""
_SAID = 2000
# pacman 7 shuts its downloader in with Landlock, which engines' own filters of system calls do not let it.
_UPGRADE = """
shut_in=$(pacman --sync --help | grep -o -- --disable-sandbox | head -n 1 || true)
pacman --sync --refresh "$@" --needed --noconfirm --noprogressbar --color never $shut_in
rm -rf /var/cache/pacman/pkg/*
"""
_report = structlog.stdlib.get_logger(__name__)


class BuilderImage:
    """Images of the builder `owner`; the newest one is what new builds start from."""

    def __init__(
        self, engine: Engine, settings: ContainerSettings, owner: str, now: Callable[[], datetime]
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._owner = owner
        self._now = now
        self._used: Counter[str] = Counter()
        self._current: Image | None = None

    async def start(self) -> None:
        """Take the newest image that was made as the settings say now, or make one; BuilderUnusable if none can be."""
        origin = await asyncio.to_thread(_origin, self._settings)
        fit = [it for it in await self._all() if it.labels.get(FROM) == origin]
        self._current = max(fit, key=_made, default=None)
        if self._current is None:
            try:
                await self.refresh()
            except EngineError as error:
                raise BuilderUnusable(f"The builder image cannot be made: {error}") from error
        await self._clear()

    @property
    def due_in(self) -> float | None:
        """Seconds until the image is to be made anew; None for never."""
        if not self._settings.refresh or self._current is None:
            return None
        age = self._now().timestamp() - _made(self._current)
        return max(0.0, self._settings.refresh - age)

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The identity of the newest image, which is kept as long as somebody has it."""
        assert self._current is not None  # noqa: S101
        identity = self._current.identity
        self._used[identity] += 1
        try:
            yield identity
        finally:
            self._used[identity] -= 1

    async def refresh(self) -> None:
        """Make a new image and take it from now on; EngineError if that fails, and the old one stays in use."""
        _report.info("builder image is being made")
        origin = await asyncio.to_thread(_origin, self._settings)
        made = str(int(self._now().timestamp()))
        labels = {OWNER: self._owner, MADE: made, FROM: origin}
        base, temporary = await self._base(f"{self._name}-base:{made}")
        try:
            plan = Plan(
                image=base,
                network=self._settings.network,
                labels={OWNER: self._owner},
                capabilities=ROOTS_RIGHTS,
            )
            container = await self._engine.containers.create(plan)
            try:
                await self._complete(container)
                identity = await self._engine.containers.commit(container, labels, f"{self._name}:{made}")
            finally:
                await self._engine.containers.remove(container)
        finally:
            if temporary:
                await self._engine.images.remove(temporary)
        self._current = Image(identity, labels)
        _report.info("builder image made", image=identity)
        await self._clear()

    async def keep_fresh(self) -> None:
        """Make a new image whenever it is time, without end."""
        while (due := self.due_in) is not None:
            await asyncio.sleep(due)
            try:
                await self.refresh()
            except EngineError as error:
                _report.warning("the old builder image stays in use", why=str(error))
                await asyncio.sleep(min(self._settings.refresh, _PAUSE))

    @property
    def _name(self) -> str:
        return f"quarters-{hashlib.sha256(self._owner.encode()).hexdigest()[:16]}"

    async def _base(self, name: str) -> tuple[str, str]:
        """What the settings name, and the name to be taken from it afterwards, if this made it."""
        images = self._engine.images
        if self._settings.root is not None:
            return await images.load(tars.of_place(self._settings.root), name), name
        if self._settings.containerfile is not None:
            file = self._settings.containerfile
            context = tars.of_place(file.parent)
            return await images.build(context, file.name, f"{self._name}-base:latest"), ""
        return await images.pull(self._settings.image), ""

    async def _complete(self, container: str) -> None:
        containers = self._engine.containers
        texts = {name: await self._text(container, name) for name in ("etc/passwd", "etc/group")}
        users = with_build_user(lambda name: texts[name])
        await containers.put(container, tars.of_files({"etc/passwd": users.passwd, "etc/group": users.group}))
        own = [(name, 0o755, BUILD_USER) for name in (*OWN, CCACHE)]
        # Others' downloads are nothing that a build may read.
        roots = [
            (dependencies.DOWNLOADS, 0o755, 0),
            (dependencies.PACKAGES.point[1:], 0o700, 0),
            (SYNC, 0o755, 0),
        ]
        await containers.put(container, tars.of_folders([*own, *roots]))
        wanted = (*(("--sysupgrade",) if self._settings.upgrade else ()), *self._settings.packages)
        if wanted:
            await containers.start(container)
            await self._run(container, ("/bin/bash", "-euc", _UPGRADE, "bash", *wanted))

    async def _run(self, container: str, command: tuple[str, ...]) -> None:
        said = bytearray()

        def take(data: bytes) -> None:
            said.extend(data)
            del said[:-_SAID]

        if await self._engine.containers.run(container, command, take):
            words = said.decode(errors="replace").strip()
            raise EngineError(f"The packages of the builder image cannot be brought up to date: {words}")

    async def _text(self, container: str, name: str) -> str:
        found = await self._engine.containers.read(container, f"/{name}")
        return next(iter(found.values()), b"").decode()

    async def _all(self) -> list[Image]:
        return [
            it for it in await self._engine.images.labelled(f"{OWNER}={self._owner}") if MADE in it.labels
        ]

    async def _clear(self) -> None:
        """Remove what is neither the newest image nor in use; what a build still has goes the next time."""
        for image in await self._all():
            current = self._current is not None and image.identity == self._current.identity
            if not current and not self._used[image.identity]:
                await self._engine.images.remove(image.identity)


_PAUSE = 600
"""Seconds after which a refresh that failed is tried again."""


def _made(image: Image) -> int:
    return int(image.labels.get(MADE, "0"))


def _origin(settings: ContainerSettings) -> str:
    """A digest that changes when the settings, or the files that they name, say something else."""
    told = msgspec.json.encode(
        (settings.image, str(settings.containerfile), str(settings.root), settings.packages, settings.upgrade)
    )
    digest = hashlib.sha256(told)
    try:
        if settings.containerfile is not None:
            digest.update(settings.containerfile.read_bytes())
        if settings.root is not None:
            digest.update(str(settings.root.stat().st_mtime_ns).encode())
    except OSError as error:
        raise BuilderUnusable(f"The builder image cannot be made: {error}") from error
    return digest.hexdigest()
