"""Many real pacmans that take nothing unsigned, while a repository is published to and rolled back without pause.

QUARTERS_TEST_SYNCS sets how many times they fetch the database altogether; a long run takes some thousands.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from quarters.storage import repositories
from tests.press import package
from tests.serving import Running

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("pacman", "gpg")), reason="needs pacman and gpg"
)

MACHINES = 8
SYNCS = int(os.environ.get("QUARTERS_TEST_SYNCS", "240"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """gpg's sockets must have short paths."""
    with TemporaryDirectory(prefix="q-") as name:
        yield Path(name)


class Machine:
    """A pacman with a database folder of its own, and the keyring that all of them share."""

    def __init__(self, folder: Path, url: str) -> None:
        self.databases = folder / "db"
        for name in ("db", "cache", "root"):
            (folder / name).mkdir(parents=True)
        self._config = folder / "pacman.conf"
        self._config.write_text(
            f"[options]\nArchitecture = x86_64\nSigLevel = Required DatabaseRequired\nRootDir = {folder}/root\n"
            f"DBPath = {self.databases}\nCacheDir = {folder}/cache\nGPGDir = {folder.parent}/gnupg\n"
            f"LogFile = {folder}/log\n[own]\nServer = {url}/repo/$repo/$arch\n"
        )

    async def sync(self) -> "Index":
        """Fetch the database if there is a newer one, and return the one that is there; pacman has verified it."""
        process = await asyncio.create_subprocess_exec(
            "pacman", "--config", str(self._config), "-Sy", "--noprogressbar",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
        said = (await process.communicate())[0].decode()
        assert process.returncode == 0, said
        assert "error" not in said, said
        return index(self.databases / "sync" / "own.db")


Index = tuple[int, bytes]
"""A database file's time, which pacman sets to the Last-Modified that it was told, and its content."""


def index(path: Path) -> Index:
    return int(path.stat().st_mtime), path.read_bytes()


async def publish(server: Running, published: set[Index], enough: asyncio.Event) -> None:
    """Publish and roll back without pause."""
    for number in count(1):
        if enough.is_set():
            return
        made = package(f"p{number % 7}", f"{number}-1", text=f"{number}\n" * 2000)
        await server.press.upload(made)
        newest = await keep(server, published)
        if number % 3 == 0:
            await server.press.publisher.rollback("own", newest - 2, "anna")
            await keep(server, published)


async def keep(server: Running, published: set[Index]) -> int:
    """Remember the served index; returns its snapshot."""
    newest = await server.press.database.read(repositories.current, "own")
    published.add(index(await server.press.shelf.index_file("own", newest, "x86_64", "own.db")))
    return newest


def trust(gpg: Path, server: Running) -> None:
    """A keyring that trusts the server's key."""
    gpg.mkdir(mode=0o700)
    for arguments, text in (
        (["--import"], server.press.keys.public()),
        (["--import-ownertrust"], f"{server.press.keys.fingerprint}:6:\n"),
    ):
        command = ["gpg", "--homedir", str(gpg), "--batch", *arguments]
        subprocess.run(command, input=text, text=True, check=True, capture_output=True)


async def test_every_client_always_gets_one_whole_signed_snapshot_and_never_an_older_one(
    server: Running, folder: Path
) -> None:
    trust(folder / "gnupg", server)
    machines = [Machine(folder / f"machine{number}", server.url) for number in range(MACHINES)]

    async def client(machine: Machine) -> list[Index]:
        return [await machine.sync() for _ in range(SYNCS // MACHINES)]

    published: set[Index] = set()
    await keep(server, published)
    enough = asyncio.Event()
    publishing = asyncio.create_task(publish(server, published, enough))
    fetched = await asyncio.gather(*(client(machine) for machine in machines))
    enough.set()
    await publishing
    for indexes in fetched:
        assert set(indexes) <= published
        assert indexes == sorted(indexes, key=lambda index: index[0])
    different = len({index for indexes in fetched for index in indexes})
    assert different > 10, "hardly anything was published meanwhile"
