"""Loops that look at rows whenever they are woken."""

import asyncio
import itertools

import pytest

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


async def test_a_loop_that_is_notified_all_the_time_looks_for_no_more_than_its_share_of_it() -> None:
    wakeups, looks = Wakeups(), list[tuple[float, float]]()
    clock = asyncio.get_running_loop().time

    async def look() -> None:
        began = clock()
        await asyncio.sleep(0.01)
        looks.append((began, clock()))
        wakeups.notify("builds")
        if len(looks) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await wakeups.follow("builds", look, every=60, share=0.25)
    for (began, ended), (again, _) in itertools.pairwise(looks):
        assert again - ended >= 3 * (ended - began)


async def test_a_loop_that_had_its_rest_looks_as_soon_as_it_is_notified() -> None:
    wakeups, looked = Wakeups(), asyncio.Event()

    async def look() -> None:
        looked.set()

    following = asyncio.create_task(wakeups.follow("builds", look, every=60))
    for _ in range(3):
        await asyncio.wait_for(looked.wait(), 10)
        looked.clear()
        wakeups.notify("builds")
    following.cancel()
