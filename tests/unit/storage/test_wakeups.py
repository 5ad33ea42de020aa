"""Loops that look at rows whenever they are woken."""

import asyncio

from quarters.storage.wakeups import Topic, Wakeups


async def test_a_look_that_goes_wrong_is_tried_again_at_the_next_notification() -> None:
    wakeups, looks = Wakeups(), asyncio.Queue[None]()

    async def look() -> None:
        looks.put_nowait(None)
        raise OSError

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(wakeups.follow(Topic.BUILDS, look, 3600))
        for _ in range(3):
            await looks.get()
            wakeups.notify(Topic.BUILDS)
        following.cancel()


async def test_what_happens_while_a_look_goes_on_leads_to_another_one() -> None:
    wakeups, seen = Wakeups(), asyncio.Event()
    looked = 0

    async def look() -> None:
        nonlocal looked
        looked += 1
        if looked == 1:
            wakeups.notify(Topic.BUILDS)
        else:
            seen.set()

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(wakeups.follow(Topic.BUILDS, look, 3600))
        await seen.wait()
        following.cancel()
