"""Two servers that would publish to the same repository: the second one is refused, and says why."""

import subprocess
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.press import package
from tests.system.farm import QUARTERS, Farm, farm_in, killed


def refused(farm: Farm, data: Path) -> str:
    """What a second server says that has its own data folder."""
    done = subprocess.run(
        [*QUARTERS, "server", "--port", "0"], capture_output=True, text=True, check=False, timeout=60,
        env=farm.environ | {"QUARTERS_STORAGE__DATA": str(data)}, cwd=farm.folder,
    )  # fmt: skip
    assert done.returncode == 1
    return done.stdout + done.stderr


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, folder: Path) -> str:
    """An empty database that is not in the data folder."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'quarters.db'}"
    server = request.getfixturevalue("postgresql")
    name = f"test_{uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


def test_a_database_has_one_server_at_a_time(folder: Path, database_url: str) -> None:
    with farm_in(folder, {"QUARTERS_STORAGE__DATABASE": database_url}) as farm:
        farm.server()
        farm.run("repo", "create", "own")
        for data, what in ((farm.data, "data folder"), (folder / "other", "database")):
            said = refused(farm, data)
            assert f"The {what}" in said
            assert "is already used by" in said
            assert said.count("\n") == 1
        made = package("greet")
        (folder / made.file_name).write_bytes(made.content)
        farm.run("repo", "publish", "own", str(folder / made.file_name))
        killed(farm.serving)
        farm.server()
        assert "nothing wrong" in farm.run("repo", "check", "own")
