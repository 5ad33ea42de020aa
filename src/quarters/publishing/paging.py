"""The next index of an architecture out of the one before: only pages that a change touches are made from rows."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from quarters.formats import pages
from quarters.formats.format import Format
from quarters.formats.pages import Gap, Page
from quarters.model.repository import Repository
from quarters.publishing.change import Change
from quarters.storage import packages, snapshots


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


def turned(connection: Connection, format: Format, edition: Edition, base: Base | None) -> Iterator[Page]:
    """The pages of `edition`: those of `base` that are the same, the others from rows."""
    change, arch, repository = edition.change, edition.arch, edition.repository
    put = {entry.name: entry.sha256 for entry in change.put if entry.arch == arch}
    gone = {name for its, name in change.gone if its == arch}
    additions = {addition.file.sha256: addition.file.index for addition in change.additions}
    base = base or Base(edition.number, ())
    others = snapshots.differing(connection, repository.name, base.number, edition.number, arch)
    for part in pages.kept(base.pages, put.keys() | gone | others):
        if isinstance(part, Page):
            yield part
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
            shares = format.pack([parts[sha256] for sha256 in sha256s], repository.compression)
            yield pages.page(names[-1], shares)


def _within(gap: Gap, name: str) -> bool:
    return gap.after < name and (gap.last is None or name <= gap.last)
