"""Loops that die are started again; what trying again cannot mend is not."""

import asyncio

import pytest

from quarters.model.errors import Unauthenticated
from quarters.wiring import loops
from quarters.wiring.loops import kept_running


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "_FIRST_PAUSE", 0.0)


async def test_a_loop_that_dies_is_logged_and_started_again(capsys: pytest.CaptureFixture[str]) -> None:
    starts = 0
    again = asyncio.Event()

    async def dies_once() -> None:
        nonlocal starts
        starts += 1
        if starts == 1:
            raise ZeroDivisionError("by mistake")
        again.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(kept_running("some", dies_once))
    await asyncio.wait_for(again.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "by mistake" in capsys.readouterr().out


async def test_something_fatal_ends_it() -> None:
    async def refused() -> None:
        raise Unauthenticated

    with pytest.raises(Unauthenticated):
        await asyncio.wait_for(kept_running("some", refused, (Unauthenticated,)), 5)
