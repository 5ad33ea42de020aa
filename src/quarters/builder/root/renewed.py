"""Roots that are made anew when they have aged: the newest is lent to builds, an older one goes when nobody has it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from quarters.builder.bubblewrap import Layer
from quarters.builder.cleanup import to_the_end
from quarters.builder.failure import BuilderUnusable
from quarters.builder.roots import DirectoryRoot
from quarters.builder.workspace import remove

_PAUSE = 600.0
"""Seconds after which a root that could not be made is tried again."""
_NEW = ".new"
_POINTS = ("dev", "proc", "run")
"""Where every build has something else mounted; images need not have these folders."""
_report = structlog.stdlib.get_logger(__name__)


class Maker(Protocol):
    """Makes roots of one kind."""

    def origin(self) -> str:
        """A digest that changes when what roots are made of is named otherwise; BuilderUnusable if it is not there."""
        ...

    async def make(self, folder: Path) -> None:
        """Make a root in the empty `folder`; BuilderUnusable says why that cannot be done."""
        ...


class _Edition(msgspec.Struct, frozen=True):
    """A finished root; its folder's name is the second since 1970 in which it was made, and its origin."""

    folder: Path
    made: int
    origin: str

    @classmethod
    def at(cls, folder: Path) -> "_Edition | None":
        made, dash, origin = folder.name.partition("-")
        return cls(folder, int(made), origin) if dash and made.isdecimal() and origin.isalnum() else None


class Renewed:
    """Roots in folders below `folder`, which nobody else uses; a new one is made every `refresh` seconds, 0 for never."""

    borrowed = False

    def __init__(self, maker: Maker, folder: Path, refresh: int, now: Callable[[], datetime]) -> None:
        self._maker = maker
        self._folder = folder
        self._refresh = refresh
        self._now = now
        self._used: Counter[_Edition] = Counter()
        self._current: _Edition | None = None
        self._making = asyncio.Lock()
        self._ageing: asyncio.Task[None] | None = None

    def look(self) -> str:
        """How old the newest root is, or that none was made yet."""
        origin = self._origin()
        newest = self._newest() if self._folder.is_dir() else None
        if newest is None:
            return "a root that is made when the builder starts"
        age = self._now() - datetime.fromtimestamp(newest.made, UTC)
        others = (
            ""
            if newest.origin == origin
            else "; one of the settings as they are now is made at the next start"
        )
        return f"{newest.folder}, made {age.total_seconds() / 3600:.1f} hours ago{others}"

    async def start(self) -> None:
        """Take the newest root or, where it was made of something else than the settings say now, make one.

        BuilderUnusable if there is none at all and none can be made.
        """
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for unfinished in self._folder.glob(f"*{_NEW}"):
            await remove(unfinished)
        self._current = self._newest()
        if self._current is None:
            await self.renew()
        elif self._current.origin != await asyncio.to_thread(self._origin):
            await self._try()
        await self._clear()
        self._ageing = asyncio.create_task(self._age())

    async def renew(self) -> None:
        """Make a new root and lend that from now on; BuilderUnusable if it cannot be made, and the old one stays."""
        async with self._making:
            await self._renew()

    async def _renew(self) -> None:
        origin = await asyncio.to_thread(self._origin)
        made = max(int(self._now().timestamp()), self._current.made + 1 if self._current else 0)
        edition = _Edition(self._folder / f"{made}-{origin}", made, origin)
        fresh = edition.folder.with_name(edition.folder.name + _NEW)
        _report.info("root is being made", folder=str(edition.folder))
        fresh.mkdir()
        fresh.chmod(0o755)
        try:
            await self._maker.make(fresh)
            for name in _POINTS:
                (fresh / name).mkdir(exist_ok=True)
            DirectoryRoot(fresh).layers()
            fresh.rename(edition.folder)
        finally:
            await to_the_end(remove(fresh))
        self._current = edition
        _report.info("root made", folder=str(edition.folder))
        await self._clear()

    @contextmanager
    def lent(self) -> Iterator[tuple[Layer, ...]]:
        """The newest root; another one that is made meanwhile is for others."""
        edition = self._current
        assert edition is not None  # noqa: S101
        self._used[edition] += 1
        try:
            yield DirectoryRoot(edition.folder).layers()
        finally:
            self._used[edition] -= 1

    async def close(self) -> None:
        """Make no more roots; those that nobody has any more are removed at the next start at the latest."""
        if self._ageing is not None:
            self._ageing.cancel()
            await asyncio.gather(self._ageing, return_exceptions=True)
            self._ageing = None

    @property
    def due_in(self) -> float | None:
        """Seconds until a new root is to be made; None for never."""
        if not self._refresh or self._current is None:
            return None
        return max(0.0, self._refresh - (self._now().timestamp() - self._current.made))

    async def _age(self) -> None:
        while (due := self.due_in) is not None:
            await asyncio.sleep(due)
            if not await self._try():
                await asyncio.sleep(min(self._refresh, _PAUSE))

    async def _try(self) -> bool:
        try:
            await self.renew()
        except BuilderUnusable as error:
            _report.warning("the old root stays in use", why=str(error))
            return False
        return True

    def _origin(self) -> str:
        return self._maker.origin()[:16]

    def _newest(self) -> _Edition | None:
        return max(self._all(), key=lambda it: it.made, default=None)

    def _all(self) -> list[_Edition]:
        return [edition for path in self._folder.iterdir() if (edition := _Edition.at(path)) is not None]

    async def _clear(self) -> None:
        for edition in self._all():
            if edition != self._current and not self._used[edition]:
                await remove(edition.folder)
