"""The kind `url`: a single PKGBUILD, by its URL."""

import time

from quarters.model.source import Source
from quarters.sources.locations import check_url, refuse
from quarters.sources.mirror import HEAD, Mirror
from quarters.sources.notes import Notes
from quarters.sources.recording import Change, File, record
from quarters.sources.settings import SourcesSettings
from quarters.sources.source import Fetched
from quarters.sources.web import Web

_LARGEST = 1 << 20


class UrlKind:
    """The mirror has one folder, named after the source, with nothing but the PKGBUILD in it."""

    def __init__(self, settings: SourcesSettings) -> None:
        self._web = Web(settings.fetch_timeout)

    def check(self, source: Source) -> None:
        """Raise Invalid unless the location is an http or https URL."""
        check_url(source.location, ("https", "http"))
        refuse(source, "branch", "path", "packages", "dependencies", "prereleases")

    async def fetch(self, source: Source, mirror: Mirror) -> Fetched:
        """Ask for the file, if it changed."""
        before = await mirror.folders()
        notes = Notes(mirror.git.folder, source)
        known = notes.read() if source.name in before else {}
        page = await self._web.get(source.location, _LARGEST, **known)
        (held,) = await mirror.git.objects([f"{HEAD}:{source.name}/PKGBUILD"])
        if page is None or page.body == held:
            return Fetched(await record(mirror.git, []))
        gone = [Change(folder=folder, content=None) for folder in before if folder != source.name]
        now = Change(
            folder=source.name,
            content={"PKGBUILD": File(page.body)},
            message=source.location,
            at=int(time.time()),
        )
        revision = await record(mirror.git, [*gone, now])
        notes.keep({"etag": page.etag, "modified": page.modified})
        return Fetched(revision)
