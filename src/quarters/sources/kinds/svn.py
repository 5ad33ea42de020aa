"""The kind `svn`: a Subversion tree with a folder for each pkgbase, in Arch's layout or plain."""

import asyncio
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from quarters.model.source import Source
from quarters.sources.locations import UNFIT, check_path, check_url, refuse
from quarters.sources.mirror import Mirror
from quarters.sources.notes import Notes
from quarters.sources.recording import Change, record
from quarters.sources.settings import SourcesSettings
from quarters.sources.source import Fetched
from quarters.sources.subversion import Subversion, Touched, files

_SCHEMES = ("https", "http", "svn", "svn+ssh", "file")
_TRUNK = "trunk"
_WHOLE = 100
"""So many changed folders are fetched in one go with all the others."""


class SvnKind:
    """A pkgbase's recipe is in the folder `path` of its folder; without `path`, in itself or in its `trunk`."""

    def __init__(self, settings: SourcesSettings) -> None:
        self._timeout = settings.fetch_timeout

    def check(self, source: Source) -> None:
        """Raise Invalid unless the location is a URL that svn takes."""
        check_url(source.location, _SCHEMES)
        check_path(source.path)
        refuse(source, "branch", "packages", "dependencies", "prereleases")

    async def fetch(self, source: Source, mirror: Mirror) -> Fetched:
        """Read what changed since the last fetch, or everything the first time."""
        notes = Notes(mirror.git.folder, source)
        repository = Subversion(source.location, mirror.git.folder, self._timeout)
        known, now = int(notes.read().get("revision", -1)), await repository.revision()
        if known == now:
            return Fetched(await record(mirror.git, []))
        touched = await repository.changed(known, now) if 0 <= known < now else {}
        with tempfile.TemporaryDirectory(dir=mirror.git.folder, prefix="svn-") as room:
            if 0 <= known < now and len(touched) < _WHOLE:
                there = [
                    name
                    for name in touched
                    if _fit(name) and await repository.export(name, now, Path(room, name))
                ]
                gone = touched.keys() - set(there)
            else:
                touched = await repository.folders(now)
                await repository.export("", now, Path(room, "all"))
                room = str(Path(room, "all"))
                there = [name for name in touched if _fit(name)]
                gone = (await mirror.folders()).keys() - set(there)
            changes = await asyncio.to_thread(_changes, Path(room), there, touched, source)
            changes += [Change(folder=name, content=None) for name in sorted(gone) if _fit(name)]
            revision = await record(mirror.git, changes)
        notes.keep({"revision": str(now)})
        return Fetched(revision)


def _changes(room: Path, names: list[str], touched: Mapping[str, Touched], source: Source) -> list[Change]:
    """Each folder as it is now, but for what is no folder at all."""
    made = []
    for name in names:
        folder = room / name
        place = folder / source.path if source.path else _place(folder)
        if place.is_dir() and not place.is_symlink():
            last = touched[name]
            made.append(
                Change(
                    folder=name,
                    content=files(place),
                    author=_person(last.author, source.location),
                    message=f"{source.location}/{name}",
                    at=int(datetime.fromisoformat(last.at).timestamp()) if last.at else 0,
                )
            )
        else:
            made.append(Change(folder=name, content=None))
    return made


def _place(folder: Path) -> Path:
    trunk = folder / _TRUNK
    return trunk if not (folder / "PKGBUILD").exists() and trunk.is_dir() else folder


def _fit(name: str) -> bool:
    return bool(name) and name not in (".", "..") and not UNFIT.search(name)


def _person(author: str, location: str) -> str:
    """Subversion knows accounts, not people: `account <account@host>`."""
    return f"{author} <{author}@{urlsplit(location).hostname or 'localhost'}>" if author else ""
