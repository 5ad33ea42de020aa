"""A running server, for every test that speaks HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.conftest import database_url as database_url
from tests.serving import Running, running


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    """A server with an empty repository `own`."""
    async with running(tmp_path) as server:
        yield server
