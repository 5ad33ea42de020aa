"""The index files of one snapshot and architecture: against the rows, against their signatures."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from pysequoia import Cert

from quarters.formats import pages
from quarters.formats.format import Format
from quarters.formats.pages import Index
from quarters.model.errors import Invalid, SignatureRefused
from quarters.protocol.checks import Damage, Finding
from quarters.publishing.index import SIGNATURE, TABLE
from quarters.publishing.signing import verification


class Expected(msgspec.Struct, frozen=True):
    """What an index has to be: `index` as the rows have it, signed by one of `trusted`, dated between two times.

    Those of the snapshot that last changed it, as far as that is known, and of the snapshot itself.
    """

    subject: str
    index: Index
    trusted: Sequence[Cert]
    earliest: datetime | None
    latest: datetime
    now: datetime


def examine(folder: Path, expected: Expected, format: Format) -> list[Finding]:
    """What is wrong with the files in `folder`, nothing if it is not there; to be called off the event loop."""
    try:
        return list(_examined(folder, expected, format))
    except FileNotFoundError:
        return []  # an old one that another process has removed meanwhile


def _examined(folder: Path, expected: Expected, format: Format) -> Iterator[Finding]:
    names = {*expected.index.files, *(f"{it}{SIGNATURE}" for it in expected.index.files), TABLE}
    found = {it.name: it for it in folder.iterdir()}
    for name in sorted(found.keys() - names):
        yield _finding(Damage.INDEX_EXTRA, expected, name, f"does not belong there ({found[name]})")
    for name in sorted(names - found.keys()):
        yield _finding(Damage.INDEX_MISSING, expected, name, f"is missing ({folder / name})")
    there = {name: path.read_bytes() for name, path in found.items() if name in names and path.is_file()}
    for name, fresh in expected.index.files.items():
        if name in there and not _same(there[name], fresh, format):
            yield _finding(Damage.INDEX_DAMAGED, expected, name, "does not list what the rows say")
        if name in there and f"{name}{SIGNATURE}" in there:
            try:
                signature = there[f"{name}{SIGNATURE}"]
                verification.check(there[name], signature, expected.trusted, expected.now)
            except SignatureRefused as error:
                yield _finding(Damage.INDEX_DAMAGED, expected, name, f"is not signed well. {error}")
        if name in there and not _dated(found[name], expected):
            told = f"{expected.latest:%Y-%m-%d %H:%M:%S}"
            yield _finding(
                Damage.INDEX_DAMAGED, expected, name, f"is not of the time {told} or when it last changed"
            )
    if there.keys() == names and not _turnable(there, expected.index):
        yield _finding(Damage.INDEX_DAMAGED, expected, TABLE, "does not tell the pages of the index")


def signed(folder: Path, expected: Expected) -> str | None:
    """The name of an index file whose signature is good: that is what was once published. None if there is none."""
    for name in expected.index.files:
        try:
            signature = (folder / f"{name}{SIGNATURE}").read_bytes()
            verification.check((folder / name).read_bytes(), signature, expected.trusted, expected.now)
        except (SignatureRefused, OSError):
            continue
        return name
    return None


def _dated(path: Path, expected: Expected) -> bool:
    date = path.stat().st_mtime
    earliest = expected.earliest.timestamp() if expected.earliest else date
    return earliest <= date <= expected.latest.timestamp()


def _same(there: bytes, fresh: bytes, format: Format) -> bool:
    # Another version of the compressor packs the same otherwise, and old pages are taken over as they were packed.
    try:
        return there == fresh or _content(there, format) == _content(fresh, format)
    except Invalid:
        return False


def _content(data: bytes, format: Format) -> bytes:
    sha256 = hashlib.sha256()
    for piece in format.index_content(data):
        sha256.update(piece)
    return sha256.digest()


def _turnable(there: dict[str, bytes], fresh: Index) -> bool:
    read = pages.opened(there[TABLE], [there[name] for name in fresh.files])
    wanted = pages.opened(fresh.table, list(fresh.files.values()))
    return [it.last for it in read] == [it.last for it in wanted] and all(it.shares for it in read)


def _finding(damage: Damage, expected: Expected, name: str, what: str) -> Finding:
    sentence = f"{name} of {expected.subject} {what.rstrip('.')}."
    return Finding(damage=damage, subject=f"{expected.subject} {name}", sentence=sentence)
