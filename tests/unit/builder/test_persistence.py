"""Calls to a server that comes and goes."""

import asyncio

import pytest

from quarters.builder.persistence import persistently
from quarters.model.errors import Invalid, LeaseLost, ServerUnreachable, Unavailable


class Away:
    """Raises its errors one after the other, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def __call__(self) -> str:
        """Answer, or raise what is next."""
        if self.errors:
            raise self.errors.pop(0)
        return "here"


async def test_a_call_is_repeated_until_the_server_is_back() -> None:
    assert await persistently(Away(ServerUnreachable())) == "here"


async def test_however_long_the_server_was_away_it_is_asked_again_soon() -> None:
    async with asyncio.timeout(10):
        assert await persistently(Away(*[ServerUnreachable()] * 20), longest=0.01) == "here"


async def test_a_server_that_stays_away_for_too_long_has_given_the_build_to_somebody_else() -> None:
    with pytest.raises(LeaseLost, match="did not answer for 0 s"):
        await persistently(Away(Unavailable()), patience=0)


async def test_an_answer_that_is_an_error_is_an_answer() -> None:
    with pytest.raises(Invalid):
        await persistently(Away(Invalid()))
