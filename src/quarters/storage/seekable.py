"""Files in Zstandard's seekable format: frames that are compressed each for itself, and at the end where they begin.

Format: `contrib/seekable_format/zstd_seekable_compression_format.md` of zstd, version 0.1.0. Any zstd reads such a file.
"""

import os
import struct
import sys
from bisect import bisect_right
from itertools import accumulate
from typing import BinaryIO, NamedTuple

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FRAME = 1 << 20
"""Bytes of content in a frame: what has to be unpacked to read any byte of it."""
_LEVEL = 6
"""Each further level costs more time than it saves bytes of a build's log."""
_SKIPPABLE = 0x184D2A5E
_SEEKABLE = 0x8F92EAB1
_FOOTER = struct.Struct("<IBI")
_ENTRY = struct.Struct("<II")


class Damaged(ValueError):
    """A file is not what `compress` wrote."""


class Table(NamedTuple):
    """Where frames begin: `packed` in the file, `plain` in the content; both end with where the last one ends."""

    packed: tuple[int, ...]
    plain: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of content."""
        return self.plain[-1]


def compress(source: BinaryIO, target: BinaryIO) -> None:
    """Write what is left of `source` to `target`, in constant memory."""
    entries = []
    while piece := source.read(FRAME):
        frame = zstd.compress(piece, _LEVEL)
        target.write(frame)
        entries.append((len(frame), len(piece)))
    target.write(struct.pack("<II", _SKIPPABLE, len(entries) * _ENTRY.size + _FOOTER.size))
    target.writelines(_ENTRY.pack(*entry) for entry in entries)
    target.write(_FOOTER.pack(len(entries), 0, _SEEKABLE))


def table(file: BinaryIO) -> Table:
    """Read where the frames of a file are; Damaged if it does not say so."""
    end = file.seek(0, os.SEEK_END)
    if end < _FOOTER.size:
        raise Damaged("It is too short.")
    file.seek(end - _FOOTER.size)
    count, _, magic = _FOOTER.unpack(file.read(_FOOTER.size))
    begin = end - _FOOTER.size - count * _ENTRY.size
    if magic != _SEEKABLE or begin < 0:
        raise Damaged("It does not end as a seekable file does.")
    file.seek(begin)
    entries = list(_ENTRY.iter_unpack(file.read(count * _ENTRY.size)))
    return Table(
        tuple(accumulate((packed for packed, _ in entries), initial=0)),
        tuple(accumulate((plain for _, plain in entries), initial=0)),
    )


def read(file: BinaryIO, offset: int, limit: int) -> bytes:
    """At most `limit` bytes of the content from `offset` on, empty at its end; only frames that hold them are unpacked."""
    where = table(file)
    found = bytearray()
    number = bisect_right(where.plain, offset) - 1
    while number < len(where.packed) - 1 and len(found) < limit:
        file.seek(where.packed[number])
        frame = file.read(where.packed[number + 1] - where.packed[number])
        try:
            piece = zstd.decompress(frame)
        except zstd.ZstdError as error:
            raise Damaged(str(error)) from error
        skipped = max(0, offset - where.plain[number])
        found += piece[skipped : skipped + limit - len(found)]
        number += 1
    return bytes(found)
