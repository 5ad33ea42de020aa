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


def turned(connection: Connection, format: Format, edition: Edition, old: Sequence[Page]) -> Iterator[Page]:
    """The pages of `edition`, `old` being those of its snapshot as far as they are known."""
    change, arch = edition.change, edition.arch
    put = {entry.name: entry.sha256 for entry in change.put if entry.arch == arch}
    gone = {name for its, name in change.gone if its == arch}
    additions = {addition.file.sha256: addition.file.index for addition in change.additions}
    for page in pages.kept(old, put.keys() | gone):
        if isinstance(page, Page):
            yield page
            continue
        listed = snapshots.stretch(
            connection, edition.repository.name, edition.number, arch, after=page.after, last=page.last
        )
        wanted = {name: sha256 for name, sha256 in listed.items() if name not in gone}
        wanted |= {name: sha256 for name, sha256 in put.items() if _within(page, name)}
        for names in pages.cut(sorted(wanted)):
            sha256s = [wanted[name] for name in names]
            parts = additions | packages.index_parts(
                connection, [sha256 for sha256 in sha256s if sha256 not in additions]
            )
            shares = format.pack([parts[sha256] for sha256 in sha256s], edition.repository.compression)
            yield Page(names[-1], shares)


def _within(gap: Gap, name: str) -> bool:
    return gap.after < name and (gap.last is None or name <= gap.last)
