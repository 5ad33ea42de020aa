"""Seekable files: any part is read as it was written, and zstd itself reads them too."""

import io
import random
import subprocess

import pytest

from quarters.storage import seekable
from quarters.storage.seekable import FRAME, Damaged


def packed(content: bytes) -> io.BytesIO:
    target = io.BytesIO()
    seekable.compress(io.BytesIO(content), target)
    return target


@pytest.mark.parametrize("size", [0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME + 5])
def test_every_part_is_read_as_it_was_written(size: int) -> None:
    content = random.Random(size).randbytes(size)
    file = packed(content)
    assert seekable.table(file).size == size
    edges = [0, 1, FRAME - 1, FRAME, FRAME + 1, size - 1, size, size + 1, 2**62]
    for offset in (it for it in edges if it >= 0):
        for limit in (1, FRAME, 5 * FRAME):
            assert seekable.read(file, offset, limit) == content[offset : offset + limit]


def test_zstd_reads_it() -> None:
    content = b"==> Starting build()...\n" * 200_000
    said = subprocess.run(["zstd", "-dc"], input=packed(content).getvalue(), capture_output=True, check=True)
    assert said.stdout == content


def test_only_frames_that_hold_what_is_wanted_are_unpacked() -> None:
    file = packed(bytes(3 * FRAME))
    place = seekable.table(file).packed[1]
    file.seek(place)
    file.write(b"damaged!")
    assert seekable.read(file, 0, FRAME) == bytes(FRAME)
    assert seekable.read(file, 2 * FRAME, FRAME) == bytes(FRAME)
    with pytest.raises(Damaged):
        seekable.read(file, FRAME, 1)


@pytest.mark.parametrize("content", [b"", b"no frames at all", b"x" * 17])
def test_what_is_no_such_file_is_told_apart(content: bytes) -> None:
    with pytest.raises(Damaged):
        seekable.table(io.BytesIO(content))
