"""A running server, for every test that speaks HTTP."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.contracts.conftest import database_url as database_url
from tests.serving import Running, running


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    """A server with an empty repository `own`."""
    async with running(tmp_path) as server:
        yield server


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for gpg's sockets."""
    with TemporaryDirectory(prefix="q-") as folder:
        yield Path(folder)
