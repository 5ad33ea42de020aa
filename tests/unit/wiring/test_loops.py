"""Loops that die are started again; what trying again cannot mend is not."""

import asyncio

import pytest

from quarters.model.errors import Unauthenticated, Unavailable
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


@pytest.mark.parametrize("among_others", [False, True])
async def test_a_loop_without_a_database_tells_so_in_a_sentence_and_goes_on_as_soon_as_it_is_back(
    capsys: pytest.CaptureFixture[str], among_others: bool
) -> None:
    starts = 0
    again = asyncio.Event()

    async def without_database() -> None:
        nonlocal starts
        starts += 1
        if starts > 20:
            again.set()
            await asyncio.Event().wait()
        away = Unavailable("The database cannot be used: it is stopped.")
        raise ExceptionGroup("tasks", [ExceptionGroup("more", [away]), away]) if among_others else away

    task = asyncio.create_task(kept_running("some", without_database))
    await asyncio.wait_for(again.wait(), 5)
    task.cancel()
    said = capsys.readouterr().out
    assert "The database cannot be used: it is stopped." in said
    assert "Traceback" not in said


async def test_something_fatal_ends_it() -> None:
    async def refused() -> None:
        raise Unauthenticated

    with pytest.raises(Unauthenticated):
        await asyncio.wait_for(kept_running("some", refused, (Unauthenticated,)), 5)
