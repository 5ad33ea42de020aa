"""Package files that are small and would cost much to read, made piece by piece so that making them costs little."""

import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from tests.unit.formats.elves import elf
from tests.unit.formats.pacman.packing import COMPRESSORS, PKGINFO

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_BLOCK = 512
_MEBIBYTE = bytes(1 << 20)


class Bomb(NamedTuple):
    """What it is packed with, what it is made of, and what a refusal says; "" where it is only to be read in time."""

    suffix: str
    pieces: Callable[[], Iterable[bytes]]
    refusal: str


def header(name: bytes, size: int = 0, flag: bytes = b"0") -> bytes:
    """A ustar header."""
    block = bytearray(_BLOCK)
    for at, field in (
        (0, name),
        (100, b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"00000000000\0" + b" " * 8 + flag),
        (257, b"ustar\x0000"),
    ):
        block[at : at + len(field)] = field
    return sealed(block)


def sealed(block: bytearray) -> bytes:
    """A header with the checksum that it ought to have."""
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name: bytes, content: bytes, flag: bytes = b"0") -> bytes:
    """A header and what belongs to it."""
    return header(name, len(content), flag) + content + bytes(-len(content) % _BLOCK)


def record(key: bytes, value: bytes) -> bytes:
    """A record of a pax header."""
    rest = b" %b=%b\n" % (key, value)
    length = len(rest) + 1
    while length != len(rest) + len(b"%d" % length):
        length += 1
    return b"%d" % length + rest


INFO = member(b".PKGINFO", PKGINFO.encode())
END = bytes(2 * _BLOCK)


def _zeros() -> Iterator[bytes]:
    yield INFO
    yield header(b"zeros", 2 << 30)
    for _ in range(2 << 10):
        yield _MEBIBYTE


def _again(suffix: str) -> Iterator[bytes]:
    """More than a gigabyte of zeros in alike members or streams."""
    yield COMPRESSORS[suffix](INFO + header(b"zeros", 2 << 30))
    yield from [COMPRESSORS[suffix](bytes(32 << 20))] * 36


def _small_files() -> Iterator[bytes]:
    yield INFO
    name, plain = b"0123456", header(b"0123456")
    total = int(plain[148:154], 8) - sum(name)
    for number in range(1_000_001):
        name = b"%07x" % number
        yield name + plain[7:148] + b"%06o\0 " % (total + sum(name)) + plain[156:]


def _deep_folders() -> Iterator[bytes]:
    yield INFO
    for number in range(20_000):
        path = (b"%d/" % number + b"a/" * 2048)[:4089]
        yield member(b"x", record(b"path", path + b"a"), b"x") + header(b"y")


def _foreign_names() -> Iterator[bytes]:
    yield INFO
    for number in range(20_000):
        path = b"%05d" % number + b"\xff" * 4000
        yield member(b"x", record(b"path", path), b"x") + header(b"y")


def _headers_without_a_member() -> Iterator[bytes]:
    yield INFO
    for number in range(1000):
        yield member(b"x", b"".join(record(b"k%d.%d" % (number, n), b"v" * 900) for n in range(900)), b"x")


def _records() -> Iterator[bytes]:
    yield INFO + member(b"x", b"".join(record(b"%x" % n, b"") for n in range(100_000)), b"x") + header(b"y")


def _claimed(size: bytes) -> Callable[[], Iterable[bytes]]:
    block = bytearray(header(b"huge"))
    block[124:136] = size
    return lambda: (INFO, sealed(block), bytes(1 << 16))


def _dependencies() -> Iterator[bytes]:
    text = PKGINFO.encode() + b"".join(b"depend = p%d\n" % number for number in range(60_000))
    yield member(b".PKGINFO", text) + END


def _one_line() -> Iterator[bytes]:
    yield member(b".PKGINFO", PKGINFO.encode() + b"optdepend = " + b" = " * 300_000 + b"\n") + END


def _libraries() -> Iterator[bytes]:
    yield INFO
    for number in range(21_000):
        names = (f"lib{number}.{n}.so.{'1' * 200}" for n in range(20))
        yield member(b"usr/lib/lib%d.so" % number, elf(*names, soname=f"lib{number}.so"))
    yield END


def _archive_in_pieces(pack: Callable[[bytes], bytes], number: int) -> Iterator[bytes]:
    empty = pack(b"") * 1000
    for _ in range(number // 1000):
        yield empty
    yield pack(INFO + END)


def _window(log: int) -> Iterator[bytes]:
    """A zstd frame that asks for a window of so many bits, with one raw block (RFC 8878, section 3.1.1)."""
    data = INFO + END
    yield b"\x28\xb5\x2f\xfd\0" + bytes([(log - 10) << 3])
    yield (1 | len(data) << 3).to_bytes(3, "little") + data


def _dictionary() -> Iterator[bytes]:
    """An xz stream whose first block asks for 4 GiB (the .xz file format, sections 3.1 and 5.3.1)."""
    data = bytearray(lzma.compress(INFO + END))
    length = (data[12] + 1) * 4
    data[16] = 40
    data[12 + length - 4 : 12 + length] = zlib.crc32(data[12 : 12 + length - 4]).to_bytes(4, "little")
    yield bytes(data)


def _gzip_comment() -> Iterator[bytes]:
    yield b"\x1f\x8b\x08\x10" + bytes(6)
    for _ in range(200):
        yield b"c" * (1 << 20)


def _streamed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    zst = zstd.ZstdCompressor(level=1)
    yield from map(zst.compress, pieces)
    yield zst.flush()


def _zst(tar: Callable[[], Iterable[bytes]], refusal: str) -> Bomb:
    return Bomb(".zst", lambda: _streamed(tar()), refusal)


_TOO_LARGE = "it unpacks to more than 1073741824 bytes"
_TOO_LONG = "its list of files is longer than 67108864 characters"
_PIECES = "its compressed data is in too many pieces"

BOMBS = {
    "zeros in gzip": Bomb(".gz", lambda: _again(".gz"), "it unpacks to more than"),
    "zeros in xz": Bomb(".xz", lambda: _again(".xz"), _TOO_LARGE),
    "zeros in zstd": _zst(_zeros, _TOO_LARGE),
    "a million small files": _zst(_small_files, "it holds more than 1000000 files and folders"),
    "deep folders": _zst(_deep_folders, _TOO_LONG),
    "names that are no text": _zst(_foreign_names, _TOO_LONG),
    "extended headers without a member": _zst(_headers_without_a_member, "two extended headers"),
    "an extended header of many records": _zst(_records, "more than 1000 records"),
    "a member of 2^80 bytes": _zst(_claimed(b"\x80\0" + b"\1" + bytes(9)), "it is truncated"),
    "a member of less than nothing": _zst(_claimed(b"\xff" * 12), "a number that is none"),
    "a long name of two megabytes": _zst(
        lambda: (INFO, member(b"L", b"n" * (2 << 20), b"L")), "where at most 1048576 may be"
    ),
    "a sparse file of 2^60 bytes": _zst(
        lambda: (
            INFO,
            member(b"x", record(b"GNU.sparse.realsize", b"1" + b"0" * 18), b"x") + header(b"y"),
            END,
        ),
        "",
    ),
    "a .PKGINFO of a gigabyte": _zst(lambda: (header(b".PKGINFO", 1 << 30),), "a member of 1073741824"),
    "sixty thousand dependencies": _zst(_dependencies, ""),
    "a line of nearly a megabyte": _zst(_one_line, ""),
    "more libraries than anybody has": _zst(_libraries, ""),
    "empty gzip members": Bomb(".gz", lambda: _archive_in_pieces(COMPRESSORS[".gz"], 10**6), _PIECES),
    "empty xz streams": Bomb(".xz", lambda: _archive_in_pieces(COMPRESSORS[".xz"], 10**6), _PIECES),
    "empty zstd frames": Bomb(".zst", lambda: _archive_in_pieces(COMPRESSORS[".zst"], 10**6), _PIECES),
    "a zstd window of 2 GiB": Bomb(".zst", lambda: _window(31), "its compressed data is damaged"),
    "a zstd window of 128 MiB": Bomb(".zst", lambda: _window(27), ""),
    "an xz dictionary of 4 GiB": Bomb(".xz", _dictionary, "its compressed data is damaged"),
    "a gzip comment without end": Bomb(".gz", _gzip_comment, "it is truncated"),
}
