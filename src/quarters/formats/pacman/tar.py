"""A strict reader of tar streams (POSIX.1 ustar and pax, GNU long names): what it does not fully understand, it refuses.

Own, because a package is judged by what libarchive will make of it: no leniency for the two to differ in, memory
that does not grow with the archive, and one pass to the last byte. It is also faster than tarfile.
"""

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from quarters.model.errors import Invalid

BLOCK = 512
_ZEROS = bytes(BLOCK)
_NUMBERS = (slice(100, 108), slice(108, 116), slice(116, 124), slice(136, 148))
"""Mode, uid, gid and mtime: not needed here, but libarchive recognises no archive where one of them is none."""

_EXTENSION_LIMIT = 1024 * 1024
"""A pax header holds a path, times and extended attributes: kilobytes."""
_MOST_RECORDS = 1000


class Kind(Enum):
    """What a member is."""

    FILE = b"0"
    HARDLINK = b"1"
    SYMLINK = b"2"
    CHARACTER_DEVICE = b"3"
    BLOCK_DEVICE = b"4"
    DIRECTORY = b"5"
    FIFO = b"6"


_KINDS = {kind.value: kind for kind in Kind} | {b"\0": Kind.FILE}


class Member(NamedTuple):
    """One member; `name` and `link` decode as UTF-8, other bytes become surrogate escapes."""

    name: str
    kind: Kind
    size: int
    link: str
    sparse: bool


class Tar:
    """The members of one archive, each of whose content may be read while it is the current one."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = b""
        self._at = 0
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        extensions: dict[str, bytes] = {}
        extended = b""
        while True:
            block = self._read(BLOCK)
            if block == _ZEROS:
                if extended:
                    raise Invalid("it ends within a member")
                self._check_rest()
                return
            _check(block)
            flag = block[156:157]
            if flag in (b"x", b"L", b"K"):
                if flag in extended:
                    raise Invalid("it holds a member with two extended headers of one kind")
                extended += flag
                self._begin(_number(block[124:136]))
                content = self.content(_EXTENSION_LIMIT)
                self._skip()
                if flag == b"x":
                    extensions |= _pax(content)
                else:
                    extensions["path" if flag == b"L" else "linkpath"] = content.rstrip(b"\0")
                continue
            member = _member(block, flag, extensions)
            extensions, extended = {}, b""
            self._begin(member.size)
            yield member
            self._skip()

    def content(self, limit: int) -> bytes:
        """The current member's bytes; Invalid if they are more than `limit`."""
        if self._left > limit:
            raise Invalid(f"a member of {self._left} bytes is where at most {limit} may be")
        data, self._left = self._read(self._left), 0
        return data

    def pieces(self) -> Iterator[bytes]:
        """The current member's bytes as they come; what is not taken is skipped."""
        while self._left:
            if self._at == len(self._buffer):
                self._buffer, self._at = self._next(), 0
            piece = self._buffer[self._at : self._at + self._left]
            self._at += len(piece)
            self._left -= len(piece)
            yield piece

    def _begin(self, size: int) -> None:
        self._left, self._padding = size, -size % BLOCK

    def _skip(self) -> None:
        self._at += self._left + self._padding
        while self._at > len(self._buffer):
            self._at -= len(self._buffer)
            self._buffer = self._next()

    def _read(self, size: int) -> bytes:
        end = self._at + size
        if end <= len(self._buffer):
            data = self._buffer[self._at : end]
            self._at = end
            return data
        parts = [self._buffer[self._at :]]
        missing = size - len(parts[0])
        while missing:
            self._buffer = self._next()
            parts.append(self._buffer[:missing])
            self._at = len(parts[-1])
            missing -= self._at
        return b"".join(parts)

    def _next(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise Invalid("it is truncated")

    def _check_rest(self) -> None:
        """Whatever follows the end-of-archive mark must be padding; reading it also ends the decompression."""
        rest = self._buffer[self._at :]
        while True:
            if rest.strip(b"\0"):
                raise Invalid("there is data after its end")
            try:
                rest = next(self._pieces)
            except StopIteration:
                return


def _check(block: bytes) -> None:
    for field in _NUMBERS:
        _number(block[field])
    if sum(block) - sum(block[148:156]) + 8 * 0x20 != _number(block[148:156]):
        raise Invalid("it is damaged: a header's checksum is wrong")


def _number(field: bytes) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.rstrip(b" \0").lstrip(b" ")  # after a leading zero byte libarchive would read 0
    try:
        if not digits or digits.isdigit():
            return int(digits or b"0", 8)
    except ValueError:
        pass
    raise Invalid("it is damaged: a header holds a number that is none")


def _member(block: bytes, flag: bytes, extensions: dict[str, bytes]) -> Member:
    kind = _KINDS.get(flag)
    if kind is None:
        raise Invalid(f"it holds a member of the unknown type {flag!r}")
    name, link, size = _text(block[:100]), _text(block[157:257]), _number(block[124:136])
    magic = block[257:263]
    if magic == b"ustar\0":
        prefix = _text(block[345:500])
        name = b"%b/%b" % (prefix, name) if prefix else name
    elif magic != b"ustar ":
        raise Invalid("it is no ustar, pax or GNU tar archive")
    sparse = False
    if extensions:
        name = extensions.get("GNU.sparse.name") or extensions.get("path") or name
        link = extensions.get("linkpath") or link
        size = _decimal(extensions["size"]) if "size" in extensions else size
        sparse = any(key.startswith("GNU.sparse.") for key in extensions)
    if size and kind is not Kind.FILE:
        raise Invalid("it holds a member with content that can have none")
    return Member(_decoded(name), kind, size, _decoded(link), sparse)


def _pax(content: bytes) -> dict[str, bytes]:
    """Read the records `length key=value\\n` of a pax extended header (POSIX.1-2008, pax)."""
    records: dict[str, bytes] = {}
    at = 0
    while at < len(content):
        space = content.find(b" ", at, at + 20)
        if space < 0:
            raise Invalid("it is damaged: an extended header cannot be read")
        end = at + _decimal(content[at:space])
        key, equals, value = content[space + 1 : end].partition(b"=")
        if end > len(content) or not equals or not value.endswith(b"\n"):
            raise Invalid("it is damaged: an extended header cannot be read")
        name = key.decode("utf-8", "replace")
        if name in ("SCHILY.filetype", "SCHILY.realsize", "SUN.holesdata"):
            raise Invalid(f"it uses the extension {name}, which is not understood")
        records[name] = value[:-1]
        if len(records) > _MOST_RECORDS:
            raise Invalid(f"an extended header has more than {_MOST_RECORDS} records")
        at = end
    return records


def _decimal(digits: bytes) -> int:
    if digits.isdigit() and len(digits) < 20:
        return int(digits)
    raise Invalid("it is damaged: an extended header cannot be read")


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _decoded(name: bytes) -> str:
    if b"\0" in name:
        raise Invalid("it holds a name with a zero byte")
    return name.decode("utf-8", "surrogateescape")
