"""A real server is backed up while it publishes, restored elsewhere, loses its database, and clients notice nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.press import package
from tests.system.client import pacman
from tests.system.farm import Farm, killed

INSTALL = 'pacman --config "$conf" --noconfirm -Sy greet && ls "$root/usr/share"'


def published(farm: Farm, *files: Path) -> None:
    farm.run("repo", "publish", "own", *map(str, files))


def made(farm: Farm, name: str, version: str = "1-1") -> Path:
    it = package(name, version)
    path = farm.folder / it.file_name
    path.write_bytes(it.content)
    return path


@contextmanager
def publishing(farm: Farm) -> Iterator[list[str]]:
    """Publish one package after the other meanwhile; yields what was published so far."""
    done: list[str] = []
    enough = threading.Event()

    def publish() -> None:
        number = 0
        while not enough.is_set():
            number += 1
            published(farm, made(farm, f"p{number}"))
            done.append(f"p{number}")

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield done
    finally:
        enough.set()
        thread.join()


def moved(farm: Farm, name: str) -> None:
    """The server is gone with its data, and what follows works in another folder."""
    killed(farm.serving)
    farm.data.rename(farm.folder / name)


def test_a_backup_of_a_publishing_server_and_what_is_left_without_a_database_serve_clients_again(
    farm: Farm,
) -> None:
    farm.server()
    farm.run("repo", "create", "own")
    published(farm, made(farm, "greet"))
    with publishing(farm) as done:
        first = farm.json("backup", "backups")
        before = list(done)
        second = farm.json("backup", "backups")
        published(farm, made(farm, "greet", "2-1"))  # too late for the backup
    assert second["added"] < first["added"] + len(done)
    assert set(before) <= set(done)
    fingerprint = farm.json("key", "list")[0]["fingerprint"]

    moved(farm, "lost")
    assert "nothing wrong" in farm.run("check", "--backup", "backups")
    assert "restored" in farm.run("restore", "backups")
    assert "is not empty" in farm.run("restore", "backups", code=1)
    farm.server()
    assert "nothing wrong" in farm.run("check")
    assert farm.json("key", "list")[0]["fingerprint"] == fingerprint
    assert "greet" in pacman(farm, "own", INSTALL)
    names = {it["name"]: it["version"] for it in farm.json("repo", "packages", "own")}
    assert names["greet"] == "1-1"
    assert {"greet", *before} <= names.keys()

    killed(farm.serving)
    for file in farm.data.glob("quarters.db*"):
        file.unlink()
    assert "restore --from-packages" in farm.run("server", code=1)
    assert "own is rebuilt" in farm.run("restore", "--from-packages")
    farm.server()
    assert "nothing wrong" in farm.run("check")
    assert {it["name"]: it["version"] for it in farm.json("repo", "packages", "own")} == names
    assert "greet" in pacman(farm, "own", INSTALL)
