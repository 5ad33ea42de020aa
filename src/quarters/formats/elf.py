"""What an ELF file links to, read from the dynamic section as it streams by (System V ABI, chapters 4 and 5; elf.h).

Own, because a package is read in one pass: nothing is sought, and memory is bounded whatever the file claims of itself.
"""

import struct
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

MAGIC = b"\x7fELF"

KEPT = 16 << 20
"""Bytes at the beginning of a file that are kept until its dynamic section comes by: linkers put the names there."""

_DYNAMIC_LIMIT = 1 << 20
_NAMES_LIMIT = 16 << 20
_LONGEST_NAME = 255
_MOST_NEEDED = 4096
_MOST_HEADERS = 1024

_ET_EXEC, _ET_DYN = 2, 3
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME = 0, 1, 5, 10, 14


class Linkage(NamedTuple):
    """The names of the libraries that a file needs and the one it bears ("": none), its class (32 or 64) and e_machine."""

    needed: tuple[str, ...]
    soname: str
    bits: int
    machine: int
    library: bool
    """Whether it may be loaded as a library (ET_DYN)."""


class _Layout(NamedTuple):
    """Where things are in the headers of one class."""

    bits: int
    header: str
    program: str
    """p_type, p_offset, p_vaddr and p_filesz come out of it in the order of `fields`."""
    fields: tuple[int, int, int, int]
    entry: str


_LAYOUTS = {
    1: _Layout(32, "HHIIIIIHHH", "IIIIIIII", (0, 1, 2, 4), "II"),
    2: _Layout(64, "HHIQQQIHHH", "IIQQQQQQ", (0, 2, 3, 5), "QQ"),
}


class _Segment(NamedTuple):
    kind: int
    offset: int
    address: int
    size: int


class _Unreadable(Exception):
    """The file is not what it says, or keeps its names where one pass does not find them."""


def read(pieces: Iterator[bytes]) -> Linkage | None:
    """Read one file from its `pieces`, as few of them as it takes; None if it links to nothing that can be told."""
    try:
        return _linkage(_Window(pieces))
    except (_Unreadable, struct.error):
        return None


class _Window:
    """Ranges of a stream: any within its kept beginning, and others in the order in which they come."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._head = bytearray()
        self._piece = b""
        self._start = 0
        """Where in the file the current piece begins."""

    def at(self, offset: int, length: int) -> bytes:
        end = offset + length
        while len(self._head) < min(end, KEPT) and self._advance():
            pass
        if end <= len(self._head):
            return bytes(self._head[offset:end])
        if offset < self._start:
            raise _Unreadable
        return self._ahead(offset, end)

    def _ahead(self, offset: int, end: int) -> bytes:
        found = bytearray()
        while True:
            found += self._piece[max(offset - self._start, 0) : end - self._start]
            if len(found) == end - offset:
                return bytes(found)
            if not self._advance():
                raise _Unreadable

    def _advance(self) -> bool:
        self._start += len(self._piece)
        self._piece = next(self._pieces, b"")
        self._head += self._piece[: max(KEPT - self._start, 0)]
        return bool(self._piece)


def _linkage(window: _Window) -> Linkage | None:
    ident = window.at(0, 16)
    layout, order = _LAYOUTS.get(ident[4]), {1: "<", 2: ">"}.get(ident[5])
    if not ident.startswith(MAGIC) or layout is None or order is None:
        return None
    header = order + layout.header
    kind, machine, _, _, where, _, _, _, size, count = struct.unpack(
        header, window.at(16, struct.calcsize(header))
    )
    program = order + layout.program
    if kind not in (_ET_EXEC, _ET_DYN) or size != struct.calcsize(program) or not 0 < count <= _MOST_HEADERS:
        return None
    table = struct.iter_unpack(program, window.at(where, size * count))
    segments = [_Segment(*(row[field] for field in layout.fields)) for row in table]
    dynamic = next((it for it in segments if it.kind == _PT_DYNAMIC), None)
    if dynamic is None:
        return None
    entries = _entries(window, dynamic, order + layout.entry)
    names = _names(window, entries, segments)
    places = dict.fromkeys(value for tag, value in entries if tag == _DT_NEEDED)
    needed = dict.fromkeys(_name(names, place) for place in islice(places, _MOST_NEEDED))
    needed.pop("", None)
    soname = next((_name(names, value) for tag, value in entries if tag == _DT_SONAME), "")
    return Linkage(tuple(needed), soname, layout.bits, machine, kind == _ET_DYN)


def _entries(window: _Window, dynamic: _Segment, form: str) -> list[tuple[int, int]]:
    """The dynamic section up to its end mark."""
    size = struct.calcsize(form)
    length = min(dynamic.size, _DYNAMIC_LIMIT) // size * size
    found: list[tuple[int, int]] = []
    for tag, value in struct.iter_unpack(form, window.at(dynamic.offset, length)):
        if tag == _DT_NULL:
            break
        found.append((tag, value))
    return found


def _names(window: _Window, entries: list[tuple[int, int]], segments: list[_Segment]) -> bytes:
    """The table of names, whose place is given as an address in memory."""
    wanted = dict(reversed(entries))
    address, size = wanted.get(_DT_STRTAB), wanted.get(_DT_STRSZ, 0)
    for it in segments:
        if it.kind == _PT_LOAD and address is not None and it.address <= address < it.address + it.size:
            begins = address - it.address
            return window.at(it.offset + begins, min(size, it.size - begins, _NAMES_LIMIT))
    return b""


def _name(names: bytes, offset: int) -> str:
    """One of the names; "" for one that no package provides: a path, or what cannot be printed."""
    end = names.find(b"\0", offset, offset + _LONGEST_NAME + 1)
    if end <= offset:
        raise _Unreadable
    try:
        name = names[offset:end].decode()
    except UnicodeDecodeError:
        return ""
    return name if name.isprintable() and "/" not in name else ""
