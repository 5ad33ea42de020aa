"""The kind `tree`: a git repository with a folder for each pkgbase."""

from quarters.model.source import Source
from quarters.sources.locations import check_git, refuse
from quarters.sources.mirror import HEAD, Mirror
from quarters.sources.remotes import fetch_branch
from quarters.sources.settings import SourcesSettings
from quarters.sources.source import Fetched


class TreeKind:
    """Its revisions are the repository's own commits; a forced push is nothing special."""

    def __init__(self, settings: SourcesSettings) -> None:
        self.timeout = settings.fetch_timeout

    def check(self, source: Source) -> None:
        """Raise Invalid where git could take the location or the branch for something else."""
        check_git(source)
        refuse(source, "path", "packages", "dependencies", "prereleases")

    async def fetch(self, source: Source, mirror: Mirror) -> Fetched:
        """Fetch the branch, or the one that the repository calls its HEAD."""
        revision = await fetch_branch(mirror.git, source.location, source.branch, HEAD)
        return Fetched(revision, history=True)
