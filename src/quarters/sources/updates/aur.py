"""Recipes that come from the AUR: one request tells which of them changed there."""

import asyncio
import zlib
from collections.abc import Mapping, Sequence

import msgspec

from quarters.sources.aur import Aur
from quarters.sources.errors import SourceUnreachable
from quarters.sources.mirror import Mirror
from quarters.sources.updates.pace import Pace
from quarters.sources.updates.recipes import taken_from
from quarters.sources.updates.upstream import NOTHING, Finding, Subject
from quarters.sources.web import Web

MARK = "aur"
DUMP = "packages-meta-v1.json.gz"
"""All packages of an AUR, made anew every few minutes."""
_NOWHERE = "gone"
_GONE = Finding(marks={MARK: _NOWHERE}, problem="It is not in the AUR.")
_LARGEST = 128 << 20
_UNPACKED = 512 << 20
_GZIP = 31
"""What zlib calls a stream with gzip's header."""


class _Package(msgspec.Struct, rename="pascal"):
    name: str
    package_base: str
    version: str
    last_modified: int


class AurUpstream:
    """The AUR at `location`; `prepare` comes before the first look."""

    def __init__(self, location: str, web: Web, mirror: Mirror, pace: Pace, proxy: str) -> None:
        self._location = location.rstrip("/")
        self._web = web
        self._aur = Aur(web, location)
        self._mirror = mirror
        self._pace = pace
        self._proxy = proxy
        self._known: Mapping[str, _Package] | None = {}
        self._maintainers: dict[str, tuple[str, ...]] = {}
        self.memory: dict[str, str] = {}
        """Validators of what was downloaded."""

    def concerns(self, subject: Subject) -> bool:
        """Whether the configuration says so."""
        return subject.configuration.upstream == "aur"

    async def prepare(self, subjects: Sequence[Subject], memory: Mapping[str, str]) -> None:
        """Ask which packages changed; `memory` stands for an answer that all of them have been held against."""
        # Without marks, nothing was held against anything.
        known = memory if all(MARK in it.marks for it in subjects) else {}
        url = f"{self._location}/{DUMP}"
        page = await self._web.get(url, _LARGEST, known.get("etag", ""), known.get("modified", ""))
        if page is None:
            self._known, self.memory = None, dict(memory)
            return
        self.memory = {"etag": page.etag, "modified": page.modified}
        self._known = await asyncio.to_thread(_read, page.body, {it.path for it in subjects}, url)
        changed = [self._known[it.path].name for it in subjects if self._changed(it)]
        info = await self._aur.info(changed) if changed else {}
        self._maintainers = {it.package_base: it.accounts for it in info.values()}

    async def look(self, subject: Subject) -> Finding:
        """The files that the AUR has now."""
        if self._known is None:
            return _GONE if subject.marks.get(MARK) == _NOWHERE else NOTHING
        there = self._known.get(subject.path)
        if there is None:
            return _GONE
        marks = {MARK: str(there.last_modified)}
        if not self._changed(subject):
            return Finding(marks=marks)
        async with self._pace.turn():
            tree, author = await taken_from(
                self._mirror.git, self._aur.repository(subject.path), "", subject, self._proxy
            )
        return Finding(
            marks=marks, tree=tree, author=author, maintainers=self._maintainers.get(subject.path, ())
        )

    def _changed(self, subject: Subject) -> bool:
        """What was never looked at counts as changed where it says another version."""
        there = self._known.get(subject.path) if self._known else None
        if there is None:
            return False
        if subject.marks.get(MARK, _NOWHERE) == _NOWHERE:
            return there.version != subject.version
        return subject.marks[MARK] != str(there.last_modified)


def _read(body: bytes, wanted: set[str], url: str) -> dict[str, _Package]:
    """Those of the `wanted` pkgbases that it tells of; some servers unpack it on the way."""
    try:
        if body.startswith(b"\x1f\x8b"):
            unpacking = zlib.decompressobj(_GZIP)
            body = unpacking.decompress(body, _UNPACKED)
            if unpacking.unconsumed_tail or not unpacking.eof:
                raise SourceUnreachable(f"{url} is cut off, or too large.")
        packages = msgspec.json.decode(body, type=list[_Package])
    except (zlib.error, msgspec.DecodeError):
        raise SourceUnreachable(f"{url} does not hold what an AUR's list of packages does.") from None
    found: dict[str, _Package] = {}
    for each in packages:
        known = found.get(each.package_base)
        if each.package_base in wanted and (known is None or known.last_modified < each.last_modified):
            found[each.package_base] = each
    return found
