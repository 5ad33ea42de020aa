"""Work on many things by a few hands."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

Progress = Callable[[int, int, int], None]
"""Is told how many of how many things are done, and how many bytes were moved."""


async def each(things: Iterable[T], work: Callable[[T], Awaitable[None]], hands: int) -> None:
    """Do `work` for each of `things`, for `hands` of them at once; the first error stops all and is raised."""
    left = iter(things)

    async def one_after_another() -> None:
        for thing in left:
            await work(thing)

    tasks = [asyncio.create_task(one_after_another()) for _ in range(hands)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
