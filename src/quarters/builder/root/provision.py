"""Who gives builds the clean system that they start from."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from quarters.builder.bubblewrap import Layer
from quarters.builder.roots import Root


class Provision(Protocol):
    """Lends roots, as layers that are never written to."""

    borrowed: bool
    """Whether pacman finds files there that no package of its own put there."""

    def look(self) -> str:
        """What builds start from, in words, without making it; BuilderUnusable if that cannot work."""
        ...

    async def start(self) -> None:
        """Have a root; BuilderUnusable if there is none to be had."""
        ...

    def lent(self) -> AbstractContextManager[tuple[Layer, ...]]:
        """The newest root, which stays as it is for as long as somebody has it."""
        ...

    async def close(self) -> None:
        """Make no more roots."""
        ...


class Standing:
    """Always the same root, whose age is somebody else's business."""

    def __init__(self, root: Root) -> None:
        self.borrowed = root.borrowed
        self._root = root
        self._layers: tuple[Layer, ...] = ()

    def look(self) -> str:
        """See whether it is there."""
        return self._root.check()

    async def start(self) -> None:
        """Look at it."""
        self._layers = await asyncio.to_thread(self._root.layers)

    @contextmanager
    def lent(self) -> Iterator[tuple[Layer, ...]]:
        """As it was at the start."""
        yield self._layers

    async def close(self) -> None:
        """There is nothing to let go of."""
