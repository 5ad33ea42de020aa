"""The kind `git`: one recipe in a git repository, at its top or in a folder of it."""

from quarters.model.source import Source
from quarters.sources.kinds.recipe import REMOTE, recipe_at, stand_at
from quarters.sources.locations import check_git, check_path, refuse
from quarters.sources.mirror import Mirror
from quarters.sources.remotes import fetch_branch
from quarters.sources.settings import SourcesSettings
from quarters.sources.source import Fetched


class GitKind:
    """The mirror has one folder, named after the source; it changes only when that folder does."""

    def __init__(self, settings: SourcesSettings) -> None:
        self.timeout = settings.fetch_timeout

    def check(self, source: Source) -> None:
        """Raise Invalid where git could take the location, branch or folder for something else."""
        check_git(source)
        check_path(source.path)
        refuse(source, "packages", "dependencies", "prereleases")

    async def fetch(self, source: Source, mirror: Mirror) -> Fetched:
        """Fetch the branch, or the one that the repository calls its HEAD."""
        commit = await fetch_branch(mirror.git, source.location, source.branch, REMOTE)
        return Fetched(await stand_at(mirror, await recipe_at(mirror.git, commit, source)))
