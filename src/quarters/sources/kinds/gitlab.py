"""The kind `gitlab`: one recipe in a project of a GitLab, as its newest version has it."""

from urllib.parse import urlsplit

from quarters.model.errors import Invalid
from quarters.model.source import Source
from quarters.sources.errors import SourceUnreachable
from quarters.sources.gitlab import Gitlab
from quarters.sources.kinds.recipe import REMOTE, recipe_at, stand_at
from quarters.sources.locations import check_path, check_url, refuse
from quarters.sources.mirror import Mirror
from quarters.sources.notes import Notes
from quarters.sources.recording import record
from quarters.sources.remotes import fetch_tag
from quarters.sources.settings import SourcesSettings
from quarters.sources.source import Fetched
from quarters.sources.tags import newest
from quarters.sources.web import Web

_BY_NUMBER = "projects/"
"""How GitLab's own short addresses begin: `https://HOST/projects/ID`."""


class GitlabKind:
    """The project's tags are versions, and the highest of them, as pacman orders them, is what the source has."""

    def __init__(self, settings: SourcesSettings) -> None:
        self._web = Web(settings.fetch_timeout)

    def check(self, source: Source) -> None:
        """Raise Invalid unless the location is the address of a project."""
        check_url(source.location, ("https", "http"))
        parts = urlsplit(source.location)
        if "/" not in parts.path.strip("/") or parts.query or parts.fragment:
            raise Invalid(f"{source.location!r} is not the address of a project at a GitLab.")
        check_path(source.path)
        refuse(source, "branch", "packages", "dependencies")

    async def fetch(self, source: Source, mirror: Mirror) -> Fetched:
        """Ask for the tags; fetch the newest where that is another, or stands elsewhere, than before."""
        notes = Notes(mirror.git.folder, source)
        known = notes.read() if source.name in await mirror.folders() else {}
        host, project = _parts(source.location)
        gitlab = Gitlab(self._web, host)
        tags = await gitlab.tags(project, known.get("etag", ""))
        if tags is None:
            return Fetched(await record(mirror.git, []))
        tag = newest(tags.commits, prereleases=source.prereleases)
        if not tag:
            raise SourceUnreachable("The project has no tag that is a version.")
        stands = f"{tag} {tags.commits[tag]}"
        if known.get("stands") == stands:
            revision = await record(mirror.git, [])
        else:
            commit = await fetch_tag(mirror.git, await gitlab.repository(project), tag, REMOTE)
            revision = await stand_at(mirror, await recipe_at(mirror.git, commit, source))
        notes.keep({"etag": tags.etag, "stands": stands})
        return Fetched(revision)


def _parts(location: str) -> tuple[str, str]:
    """The GitLab, and the project's number or path."""
    parts = urlsplit(location)
    path = parts.path.strip("/").removesuffix(".git")
    number = path.removeprefix(_BY_NUMBER)
    return f"{parts.scheme}://{parts.netloc}", number if number.isascii() and number.isdigit() else path
