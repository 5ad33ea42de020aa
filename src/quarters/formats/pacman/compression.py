"""The compressors of pacman's files; undone piece by piece: memory stays bounded, and a missing end is noticed."""

import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from quarters.model.errors import Invalid
from quarters.model.repository import Compression

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK = 64 * 1024
"""How much compressed data to hand in at once; what is left of it after each of its members is copied."""

PIECE = 256 * 1024
"""The most that is decompressed at once; larger pieces fall out of the processor's cache and are slower."""

_ALWAYS_MEMBERS = 1000
_SHORTEST_MEMBER = 256
"""Bytes, packed or unpacked, that the members or frames beyond `_ALWAYS_MEMBERS` have on average: each costs some
microseconds to begin with, were it empty. Those of tools that compress side by side have tens of thousands."""

_XZ_MEMORY = 128 * 1024 * 1024
"""`xz -9` needs 65 MiB to be undone; a header may ask for 4 GiB."""

_GZIP_WRAPPER = 31  # zlib: a window of 32 KiB and gzip's header and checksum

_GZIP_LEVEL = 6
_ZSTD_LEVEL = 6
"""Of an index of 15,000 packages each level above costs more time than it saves bytes (4 % for gzip 9, 1 % for zstd 12)."""

_MAGIC = {b"\x1f\x8b": "gz", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst"}
_SKIPPABLE_ZSTD = b"\x2a\x4d\x18"  # preceded by 0x50 to 0x5f


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the manners of the other two."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP_WRAPPER)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = PIECE) -> bytes:
        piece = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.needs_input = len(piece) < max_length and not self._inner.unconsumed_tail
        return piece


def kind_of(data: bytes) -> str:
    """What `data` is compressed with, by its first bytes: "gz", "xz", "zst", or "" for not at all."""
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            return kind
    return "zst" if data[1:4] == _SKIPPABLE_ZSTD and data[0] >> 4 == 5 else ""


def packed(data: bytes, compression: Compression) -> bytes:
    """One gzip member, its time 0, or one zstd frame with a checksum; the same bytes for the same data."""
    if compression is Compression.ZSTD:
        return zstd.compress(
            data,
            options={
                zstd.CompressionParameter.compression_level: _ZSTD_LEVEL,
                zstd.CompressionParameter.checksum_flag: 1,
            },
        )
    return zlib.compress(data, _GZIP_LEVEL, _GZIP_WRAPPER)


def unpacked(chunks: Iterable[bytes], kind: str, limit: int) -> Iterator[bytes]:
    """Decompress `chunks`, of one or more members or frames, to their very end; Invalid if damaged or over `limit`."""
    decompressors: dict[str, Callable[[], _Decompressor]] = {
        "gz": _Gzip,
        "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY),
        "zst": zstd.ZstdDecompressor,
    }
    pieces = _members(chunks, decompressors[kind]) if kind else chunks
    total = 0
    try:
        for piece in pieces:
            total += len(piece)
            if total > limit:
                raise Invalid(f"it unpacks to more than {limit} bytes")
            yield piece
    except (zlib.error, lzma.LZMAError, zstd.ZstdError) as error:
        raise Invalid(f"its compressed data is damaged ({error})") from None


def _members(chunks: Iterable[bytes], new: Callable[[], _Decompressor]) -> Iterator[bytes]:
    decompressor: _Decompressor | None = None
    members, total = 0, 0
    for chunk in chunks:
        rest = chunk
        total += len(chunk)
        while rest or (decompressor is not None and not decompressor.needs_input):
            if decompressor is None:
                decompressor = new()
                members += 1
                if members > _ALWAYS_MEMBERS + total // _SHORTEST_MEMBER:
                    raise Invalid("its compressed data is in too many pieces")
            piece = decompressor.decompress(rest, PIECE)
            rest = b""
            total += len(piece)
            if piece:
                yield piece
            if decompressor.eof:
                rest = decompressor.unused_data
                decompressor = None
    if decompressor is not None:
        raise Invalid("it is truncated")
