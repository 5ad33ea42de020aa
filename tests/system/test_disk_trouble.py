"""A server whose disk cannot be written to for a while, because it is full or read-only."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.press import Made, package
from tests.system.client import pacman
from tests.system.farm import Farm, farm_in

WRITTEN_TO = ("packages", "index", "uploads")


@pytest.fixture
def farm(folder: Path) -> Iterator[Farm]:
    """A server whose database is on another disk than its data folder, with one package in `own` and an empty `final`."""
    database = {"QUARTERS_STORAGE__DATABASE": f"sqlite:///{folder / 'quarters.db'}"}
    with farm_in(folder, database) as farm:
        farm.data.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", farm.data], check=True)
        try:
            farm.server()
            for name in ("own", "final"):
                farm.run("repo", "create", name, "--arch", "x86_64")
            farm.run("repo", "publish", "own", str(written(folder, package("old"))))
            yield farm
        finally:
            farm.close()
            subprocess.run(["umount", "--recursive", farm.data], check=True)


@contextmanager
def full(farm: Farm) -> Iterator[None]:
    filler = farm.data / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True, check=False)
    yield
    filler.unlink()


@contextmanager
def read_only(farm: Farm) -> Iterator[None]:
    folders = [farm.data / name for name in WRITTEN_TO]
    for folder in folders:
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    yield
    for folder in folders:
        subprocess.run(["mount", "-o", "remount,bind,rw", folder], check=True)


TROUBLES = {"There is no space left": full, "its file system is read-only": read_only}


@pytest.mark.parametrize("words", TROUBLES)
def test_with_a_disk_that_cannot_be_written_to_changes_are_refused_in_a_sentence_and_the_old_is_served(
    farm: Farm, words: str
) -> None:
    new = str(written(farm.folder, package("new", text="much to say " * 10_000)))
    with TROUBLES[words](farm):
        for command in (
            ("publish", "own", new),
            ("promote", "own", "final", "--all"),
            ("rollback", "own", "1", "--yes"),
        ):
            said = farm.run("repo", *command, code=1)
            assert words in said, said
            assert said.count("\n") == 1
        # The policy is the database's matter, and what is removed needs no space.
        farm.run("repo", "keep", "own", "--versions", "1", "--days", "0")
        farm.run("repo", "clean", "own")
        installing = 'pacman --config "$conf" --noconfirm -Sy old; pacman --config "$conf" -Sl own'
        assert "own old 1.0-1" in pacman(farm, "own", installing)
    farm.run("repo", "publish", "own", new)
    farm.run("repo", "promote", "own", "final", "--all")
    assert "installing new..." in pacman(farm, "final", 'pacman --config "$conf" --noconfirm -Sy old new')
    assert "nothing wrong" in farm.run("repo", "check", "own")
    assert "Traceback" not in farm.said("server")


def written(folder: Path, made: Made) -> Path:
    path = folder / made.file_name
    path.write_bytes(made.content)
    return path
