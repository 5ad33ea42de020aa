"""Indexes in pages: packages in the order of their names, cut into stretches that are each compressed for themselves.

A page ends behind every name that a hash picks out, so where pages end depends on nothing but the names themselves:
a package that comes or goes changes the page it is on and leaves all others, byte for byte, as they are. Neighbours by
name, which resemble each other most, are compressed together.
"""

import zlib
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import NamedTuple

import msgspec

from quarters.formats.format import Format, Share
from quarters.model.repository import Compression

_MEAN = 16
"""Packages on a page. At 15,000 of them a `.db` is 8 % and a `.files` 2 % larger than in one piece; a change of one package
costs 1/500 of the whole, one of 100 packages 1/5 (with twice as many on a page 5 %, 1 %, 1/250 and 1/3)."""


_FORM = 1
"""Rises when the same packages come to give other pages, so that old and new ones do not get mixed."""


class Page(NamedTuple):
    """The packages behind the last name of the page before, up to and with `last`: a share of each index file."""

    last: str
    shares: tuple[Share, ...]
    checksums: tuple[int, ...]
    """CRC-32 of each share's packed bytes."""


class Gap(NamedTuple):
    """Pages that are to be made: of the names behind `after`, up to and with `last` or, where that is None, to the end."""

    after: str
    last: str | None


class Index(NamedTuple):
    """The index files of one architecture by name, and the table by which `pages` finds their pages again."""

    files: dict[str, bytes]
    table: bytes


class _Extent(NamedTuple):
    """Where a page's share of a file is, and the CRC-32 of these bytes."""

    start: int
    size: int
    length: int
    checksum: int


class _Table(msgspec.Struct, frozen=True):
    form: int
    pages: list[tuple[str, tuple[_Extent, ...]]]


def page(last: str, shares: tuple[Share, ...]) -> Page:
    """A new page that ends with the package `last`."""
    return Page(last, shares, tuple(zlib.crc32(share.packed) for share in shares))


def cut(names: Iterable[str]) -> Iterator[list[str]]:
    """Names, which come in order, page by page."""
    run: list[str] = []
    for name in names:
        run.append(name)
        if zlib.crc32(name.encode()) % _MEAN == 0:
            yield run
            run = []
    if run:
        yield run


def bound(format: Format, repository: str, pages: Sequence[Page], compression: Compression) -> Index:
    """The index that consists of `pages`: the same pages give the same bytes."""
    files = {}
    extents: list[list[_Extent]] = [[] for _ in pages]
    for position, file_name in enumerate(format.index_files(repository, compression)):
        shares = [page.shares[position] for page in pages]
        head, tail = format.enclosure(sum(share.length for share in shares), compression)
        files[file_name] = b"".join(chain((head,), (share.packed for share in shares), (tail,)))
        start = len(head)
        for page, known in zip(pages, extents, strict=True):
            share, checksum = page.shares[position], page.checksums[position]
            known.append(_Extent(start, len(share.packed), share.length, checksum))
            start += len(share.packed)
    table = _Table(_FORM, [(page.last, tuple(its)) for page, its in zip(pages, extents, strict=True)])
    return Index(files, msgspec.json.encode(table))


def whole(
    format: Format, repository: str, packages: Mapping[str, Mapping[str, str]], compression: Compression
) -> dict[str, bytes]:
    """The index files of one architecture from the packages' `PackageFile.index` parts by their names."""
    pages = [
        page(names[-1], format.pack([packages[name] for name in names], compression))
        for names in cut(sorted(packages))
    ]
    return bound(format, repository, pages, compression).files


def opened(table: bytes, files: Sequence[bytes]) -> list[Page]:
    """The pages of an index; those that are damaged have no shares, and one in another form has no pages."""
    try:
        read = msgspec.json.decode(table, type=_Table)
    except msgspec.DecodeError:
        return []
    if read.form != _FORM:
        return []
    views = [memoryview(data) for data in files]
    return [_read(views, last, extents) for last, extents in read.pages]


def kept(pages: Sequence[Page], names: Collection[str]) -> Iterator[Page | Gap]:
    """The pages that stay as they are once something about `names` changed, and the gaps between them."""
    lasts = [page.last for page in pages]
    stays = [bool(page.shares) for page in pages]
    for name in names if pages else ():
        place = bisect_left(lasts, name)
        stays[min(place, len(pages) - 1)] = False
        if name in lasts[place : place + 1]:
            # Without the name that it ends with a page goes on into the next one.
            stays[min(place + 1, len(pages) - 1)] = False
    if not pages:
        yield Gap("", None)
    after = ""
    for staying, group in groupby(zip(stays, pages, strict=True), lambda it: it[0]):
        run = [page for _, page in group]
        if staying:
            yield from run
        else:
            yield Gap(after, None if run[-1] is pages[-1] else run[-1].last)
        after = run[-1].last


def _read(files: Sequence[memoryview], last: str, extents: Sequence[_Extent]) -> Page:
    shares = []
    for data, extent in zip(files, extents, strict=True):
        packed = data[extent.start : extent.start + extent.size]
        if zlib.crc32(packed) != extent.checksum:
            return Page(last, (), ())
        shares.append(Share(extent.length, packed))
    return Page(last, tuple(shares), tuple(extent.checksum for extent in extents))
