"""Remembers look-ups for as long as what they found surely stands; rows stay the truth."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

from quarters.storage.wakeups import Topic, Wakeups

T = TypeVar("T")

ROOM = 4096
"""Each may hold a file open."""
_CHECK = 1.0
"""Seconds after which another process's publish, rollback or removal of a repository is seen; this one's is at once."""
_LIFE = 60.0
"""Seconds after which anything is looked up again, also what changed without a publish."""


class _Known(NamedTuple, Generic[T]):
    value: T
    until: float


class Memory(Generic[T]):
    """What addresses stand for, all of it forgotten as soon as the served snapshot of any repository changes."""

    def __init__(
        self,
        currents: Callable[[], Awaitable[Mapping[str, int]]],
        wakeups: Wakeups,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._read_currents = currents
        self._wakeups = wakeups
        self._clock = clock
        self._known: dict[bytes, _Known[T]] = {}
        self._currents: Mapping[str, int] = {}
        self._mark = -1
        self._checked = float("-inf")
        self._checking = asyncio.Lock()
        self._sweeping: asyncio.TimerHandle | None = None

    def recall(self, key: bytes) -> T | None:
        """What `key` stands for, or None if that has to be looked up."""
        now = self._clock()
        if self._mark != self._wakeups.mark(Topic.SERVED) or now >= self._checked + _CHECK:
            return None
        known = self._known.get(key)
        return None if known is None or now >= known.until else known.value

    async def find(self, key: bytes, look_up: Callable[[], Awaitable[T]]) -> T:
        """What `key` stands for, looked up if need be; what `look_up` raises is not remembered."""
        async with self._checking:
            await self._check()
        if (value := self.recall(key)) is not None:
            return value
        known = self._known
        value = await look_up()
        # Not into `self._known`: that is another one if anything was published while this was looked up.
        known.pop(key, None)
        if len(known) >= ROOM:
            del known[next(iter(known))]
        known[key] = _Known(value, self._clock() + _LIFE)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(_LIFE, self._sweep)
        return value

    def _sweep(self) -> None:
        """Let go of what nobody asks for any more."""
        now = self._clock()
        for key, known in list(self._known.items()):
            if now >= known.until:
                del self._known[key]
        self._sweeping = asyncio.get_running_loop().call_later(_LIFE, self._sweep) if self._known else None

    async def _check(self) -> None:
        now, mark = self._clock(), self._wakeups.mark(Topic.SERVED)
        if mark == self._mark and now < self._checked + _CHECK:
            return
        currents = await self._read_currents()
        if mark != self._mark or currents != self._currents:
            self._known = {}
        # As of when the rows were asked for: what happens meanwhile is found by the next check.
        self._currents, self._mark, self._checked = currents, mark, now
