"""Package files that are made to hurt: read or refused in a sentence, in little memory and little time."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from quarters.formats.pacman import Pacman
from quarters.model.errors import PackageInvalid
from tests.unit.formats.pacman.bombs import BOMBS
from tests.unit.formats.pacman.packing import COMPRESSORS, FILE_NAME, HELLO, file, tarred

MEMORY = 640 << 20
"""Bytes of address space; what is listed at most (some 64 MB, several times over) and a window of 128 MiB."""
SECONDS = 30.0


@pytest.mark.parametrize("which", BOMBS)
def test_a_bomb_takes_neither_the_memory_nor_the_time_of_the_server(
    which: str, tmp_path: Path, project: Path
) -> None:
    bomb = BOMBS[which]
    path = tmp_path / "bomb"
    with path.open("wb") as file:
        file.writelines(bomb.pieces())
    name = FILE_NAME.removesuffix(".zst") + bomb.suffix
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.read_package", str(path), name, str(MEMORY)],
        cwd=project, env=os.environ, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    print(told)
    assert bomb.refusal in told["refusal"]
    assert bool(told["refusal"]) == bool(bomb.refusal)
    assert told["seconds"] < SECONDS


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_cut_or_bent_in_every_place_a_package_is_read_or_refused(suffix: str, tmp_path: Path) -> None:
    data = COMPRESSORS[suffix](tarred([*HELLO, file("usr/" + "long" * 40), file("usr/é")]))
    path, name = tmp_path / "upload", FILE_NAME.removesuffix(".zst") + suffix
    for at, byte in enumerate(data):
        bents = (bytes([it]) for it in {byte ^ 1, byte ^ 0x80, 0, 0xFF} - {byte})
        for bad in (data[:at], *(data[:at] + it + data[at + 1 :] for it in bents)):
            path.write_bytes(bad)
            with suppress(PackageInvalid):
                assert Pacman().read_package(path, name).name == "hello"
