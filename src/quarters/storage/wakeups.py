"""Wake-ups between the loops of a server: they only save waiting, every loop also looks at its rows by itself."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from quarters.model.errors import Unavailable

_SHARE = 0.1
"""How much of the time a loop looks at its rows while it is notified all the time."""


class Topic:
    """What a wake-up can be about; a build's log has a topic of its own."""

    SOURCES = "sources"
    PLANNING = "planning"
    BUILDS = "builds"
    READY = "ready"
    PUBLISHING = "publishing"
    SERVED = "served"
    EVENTS = "events"

    @staticmethod
    def log(build: int) -> str:
        """The topic of one build's log."""
        return f"log:{build}"


class Wakeups:
    """Topics that can be waited for without losing a wake-up: mark, look at the rows, then wait from the mark."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def notify(self, *topics: str) -> None:
        """Wake everybody who waits for one of `topics`; to be called on the event loop."""
        for topic in topics:
            self._counts[topic] = self._counts.get(topic, 0) + 1
            for waiter in self._waiting.get(topic, ()):
                waiter.set()

    def mark(self, topic: str) -> int:
        """A point in time to wait from."""
        return self._counts.get(topic, 0)

    async def wait(self, topic: str, mark: int, timeout: float) -> bool:
        """Wait at most `timeout` seconds for a notification since `mark`; False when the time passed without one."""
        if self.mark(topic) != mark:
            return True
        waiter = asyncio.Event()
        self._waiting[topic].add(waiter)
        try:
            async with asyncio.timeout(timeout):
                await waiter.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting[topic].discard(waiter)
            if not self._waiting[topic]:
                del self._waiting[topic]
        return True

    async def follow(
        self, topic: str, look: Callable[[], Awaitable[object]], every: float, share: float = _SHARE
    ) -> NoReturn:
        """Call `look` now, after notifications, and after `every` seconds; what goes wrong is logged and tried again.

        However often it is notified, looking takes at most `share` of the time, or happens each `every` seconds.
        """
        clock = asyncio.get_running_loop().time
        while True:
            mark, began = self.mark(topic), clock()
            try:
                await look()
            except Unavailable as error:
                structlog.get_logger(__name__).warning(
                    "a loop waits", look=look.__qualname__, error=str(error)
                )
            except Exception:  # noqa: BLE001 - the loop's outermost frame
                structlog.get_logger(__name__).exception("a loop had trouble", look=look.__qualname__)
            ended = clock()
            rested = ended + min((ended - began) * (1 / share - 1), every)
            await self.wait(topic, mark, every)
            await asyncio.sleep(rested - clock())

    def forget(self, topic: str) -> None:
        """Drop the count of a topic that nobody will notify again (a finished build's log)."""
        self._counts.pop(topic, None)
