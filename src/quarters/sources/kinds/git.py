"""The kind `git`: one recipe in a git repository, at its top or in a folder of it."""

from quarters.model.source import Source
from quarters.sources.errors import SourceUnreachable
from quarters.sources.git import Git
from quarters.sources.locations import check_git, check_path, refuse
from quarters.sources.mirror import Mirror
from quarters.sources.recording import Change, record
from quarters.sources.remotes import fetch_branch
from quarters.sources.settings import SourcesSettings
from quarters.sources.source import Fetched

_REMOTE = "refs/quarters/remote"


class GitKind:
    """The mirror has one folder, named after the source; it changes only when that folder does."""

    def __init__(self, settings: SourcesSettings) -> None:
        self.timeout = settings.fetch_timeout

    def check(self, source: Source) -> None:
        """Raise Invalid where git could take the location, branch or folder for something else."""
        check_git(source)
        check_path(source.path)
        refuse(source, "packages", "dependencies")

    async def fetch(self, source: Source, mirror: Mirror) -> Fetched:
        """Fetch the branch, or the one that the repository calls its HEAD."""
        commit = await fetch_branch(mirror.git, source.location, source.branch, _REMOTE)
        tree = await _tree(mirror.git, commit, source.path)
        before = await mirror.folders()
        changes = [Change(folder=folder, content=None) for folder in before if folder != source.name]
        if before.get(source.name) != tree:
            author, at = await _last_change(mirror.git, commit, source.path)
            message = f"{source.location} {commit}"
            changes.append(
                Change(folder=source.name, content=tree, author=author, message=message, at=int(at))
            )
        return Fetched(await record(mirror.git, changes))


async def _tree(git: Git, commit: str, path: str) -> str:
    """The id of a folder's tree; the mark behind the name keeps a file from being taken for one."""
    try:
        return (
            (await git.run("rev-parse", "--verify", f"{commit}:{path}/" if path else f"{commit}^{{tree}}"))
            .decode()
            .strip()
        )
    except SourceUnreachable:
        raise SourceUnreachable(f"The repository has no folder {path!r}.") from None


async def _last_change(git: Git, commit: str, path: str) -> tuple[str, str]:
    """Who last changed the folder, and when."""
    printed = await git.run("log", "-1", "--no-merges", "--format=%an <%ae>%n%ct", commit, "--", path or ".")
    author, _, at = printed.decode(errors="replace").strip().partition("\n")
    return author, at or "0"
