"""The recipe that a git repository holds, taken over into a folder of the tree."""

from hashlib import sha256

from quarters.sources.git import Git
from quarters.sources.remotes import fetch_branch
from quarters.sources.updates.trees import taken_over
from quarters.sources.updates.upstream import Subject


async def taken_from(
    git: Git, location: str, branch: str, subject: Subject, proxy: str = ""
) -> tuple[str, str]:
    """The folder of `subject` with the files of a repository, and who wrote its newest commit."""
    # One for each recipe, so that none waits for another's; names may hold what no ref may.
    key = sha256("\0".join((subject.path, location, branch)).encode()).hexdigest()
    ref = f"refs/quarters/upstream/{key}"
    commit = await fetch_branch(git, location, branch, ref, proxy)
    printed = await git.run("log", "-1", "--format=%T%n%an <%ae>", commit)
    tree, _, author = printed.decode(errors="replace").strip().partition("\n")
    return await taken_over(git, subject.tree, tree), author
