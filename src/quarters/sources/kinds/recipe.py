"""What the kinds have in common whose source is a single recipe in a git repository."""

from quarters.model.source import Source
from quarters.sources.errors import SourceUnreachable
from quarters.sources.git import Git
from quarters.sources.mirror import Mirror
from quarters.sources.recording import Change, record

REMOTE = "refs/quarters/remote"
"""The commit of theirs that was fetched last."""


async def recipe_at(git: Git, commit: str, source: Source) -> Change:
    """The recipe's folder, named after the source, as a fetched commit has it."""
    tree = await _tree(git, commit, source.path)
    author, at = await _last_change(git, commit, source.path)
    message = f"{source.location} {commit}"
    return Change(folder=source.name, content=tree, author=author, message=message, at=int(at))


async def stand_at(mirror: Mirror, now: Change) -> str:
    """The revision at which the mirror holds this recipe and nothing else; a new one only if it did not yet."""
    before = await mirror.folders()
    changes = [Change(folder=folder, content=None) for folder in before if folder != now.folder]
    if before.get(now.folder) != now.content:
        changes.append(now)
    return await record(mirror.git, changes)


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
