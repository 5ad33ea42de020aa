"""Fetching from git repositories of others."""

from quarters.sources.errors import SourceUnreachable
from quarters.sources.git import Git


async def fetch_branch(git: Git, location: str, branch: str, ref: str, proxy: str = "") -> str:
    """Bring a branch of `location` ("" for its HEAD) into `ref` of our repository; the commit that it stands at.

    `proxy` is what http and https go through, "" for what the environment names.
    """
    wanted = f"refs/heads/{branch}" if branch else "HEAD"
    try:
        await git.run(
            *(["-c", f"http.proxy={proxy}"] if proxy else []),
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--force", "--",
            location, f"+{wanted}:{ref}",
        )  # fmt: skip
    except SourceUnreachable as error:
        if "couldn't find remote ref" not in str(error):
            raise
        if branch:
            raise SourceUnreachable(f"The repository has no branch {branch!r}.") from None
        raise SourceUnreachable("The repository is empty: it has no commit yet.") from None
    return (await git.run("rev-parse", "--verify", f"{ref}^{{commit}}")).decode().strip()
