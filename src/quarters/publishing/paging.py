"""The next index of an architecture out of the one before: only pages that a change touches are made from rows."""

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Self

from sqlalchemy import Connection

from quarters.formats import pages
from quarters.formats.format import Format
from quarters.formats.pages import Gap, Page
from quarters.model.repository import Compression, Repository
from quarters.publishing.change import Change
from quarters.storage import packages, snapshots

_THREADS = 2
"""Beside the one that reads rows, which is as slow as two compressors are."""


class Edition(NamedTuple):
    """What an index is to list: a snapshot's packages for one architecture, less and with what `change` says."""

    repository: Repository
    number: int
    arch: str
    change: Change


class Base(NamedTuple):
    """The pages of an index that is there already, and of which snapshot it is."""

    number: int
    pages: Sequence[Page]


def turned(connection: Connection, format: Format, edition: Edition, base: Base | None) -> list[Page]:
    """The pages of `edition`: those of `base` that are the same, the others from rows."""
    change, arch, repository = edition.change, edition.arch, edition.repository
    put = {entry.name: entry.sha256 for entry in change.put if entry.arch == arch}
    gone = {name for its, name in change.gone if its == arch}
    additions = {addition.file.sha256: addition.file.index for addition in change.additions}
    base = base or Base(edition.number, ())
    others = snapshots.differing(connection, repository.name, base.number, edition.number, arch)
    with _Press(format, repository.compression) as press:
        for part in pages.kept(base.pages, put.keys() | gone | others):
            if isinstance(part, Page):
                press.keep(part)
                continue
            listed = snapshots.stretch(
                connection, repository.name, edition.number, arch, after=part.after, last=part.last
            )
            wanted = {name: sha256 for name, sha256 in listed.items() if name not in gone}
            wanted |= {name: sha256 for name, sha256 in put.items() if _within(part, name)}
            for names in pages.cut(sorted(wanted)):
                sha256s = [wanted[name] for name in names]
                parts = additions | packages.index_parts(
                    connection, [sha256 for sha256 in sha256s if sha256 not in additions]
                )
                press.make(names[-1], [parts[sha256] for sha256 in sha256s])
        return press.pages()


class _Press:
    """Puts pages in a row and makes new ones beside the reading of rows: compressors let other threads run."""

    def __init__(self, format: Format, compression: Compression) -> None:
        self._format = format
        self._compression = compression
        self._threads = ThreadPoolExecutor(_THREADS)
        self._row: list[Page | Future[Page]] = []
        self._unfinished: deque[Future[Page]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def keep(self, page: Page) -> None:
        """Take a page as it is."""
        self._row.append(page)

    def make(self, last: str, packages: Sequence[Mapping[str, str]]) -> None:
        """Make a page; waits while many are being made, as each holds its packages' texts."""
        if len(self._unfinished) > 2 * _THREADS:
            self._unfinished.popleft().result()
        future = self._threads.submit(self._made, last, packages)
        self._row.append(future)
        self._unfinished.append(future)

    def pages(self) -> list[Page]:
        """All pages in order."""
        return [it if isinstance(it, Page) else it.result() for it in self._row]

    def _made(self, last: str, packages: Sequence[Mapping[str, str]]) -> Page:
        return pages.page(last, self._format.pack(packages, self._compression))


def _within(gap: Gap, name: str) -> bool:
    return gap.after < name and (gap.last is None or name <= gap.last)
