"""Fetching from git repositories of others."""

from quarters.sources.errors import SourceUnreachable
from quarters.sources.git import Git

_MISSING = "couldn't find remote ref"


async def fetch_branch(git: Git, location: str, branch: str, ref: str, proxy: str = "") -> str:
    """Bring a branch of `location` ("" for its HEAD) into `ref` of our repository; the commit that it stands at.

    `proxy` is what http and https go through, "" for what the environment names.
    """
    try:
        return await _fetch(git, location, f"refs/heads/{branch}" if branch else "HEAD", ref, proxy)
    except SourceUnreachable as error:
        if _MISSING not in str(error):
            raise
        if branch:
            raise SourceUnreachable(f"The repository has no branch {branch!r}.") from None
        raise SourceUnreachable("The repository is empty: it has no commit yet.") from None


async def fetch_tag(git: Git, location: str, tag: str, ref: str) -> str:
    """Bring a tag of `location` into `ref` of our repository; the commit that it stands for."""
    try:
        return await _fetch(git, location, f"refs/tags/{tag}", ref)
    except SourceUnreachable as error:
        if _MISSING not in str(error):
            raise
        raise SourceUnreachable(f"The repository has no tag {tag!r}.") from None


async def _fetch(git: Git, location: str, wanted: str, ref: str, proxy: str = "") -> str:
    await git.run(
        *(["-c", f"http.proxy={proxy}"] if proxy else []),
        "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--force", "--",
        location, f"+{wanted}:{ref}",
    )  # fmt: skip
    return (await git.run("rev-parse", "--verify", f"{ref}^{{commit}}")).decode().strip()
