"""Recipes that come from git repositories of their own, named by URL."""

from collections.abc import Sequence

from quarters.model.errors import Invalid
from quarters.sources.errors import SourceUnreachable
from quarters.sources.locations import check_url
from quarters.sources.mirror import Mirror
from quarters.sources.updates.pace import Pace
from quarters.sources.updates.recipes import taken_from
from quarters.sources.updates.refs import HEAD, Refs, Stands
from quarters.sources.updates.upstream import NOTHING, Finding, Subject

MARK = "git"
_SCHEMES = ("https", "http", "git", "ssh")


class RepositoryUpstream:
    """`https://HOST/PATH.git`, optionally with `#branch=NAME`."""

    def __init__(self, refs: Refs, mirror: Mirror, pace: Pace) -> None:
        self._refs = refs
        self._mirror = mirror
        self._pace = pace
        self._known: dict[str, Stands | SourceUnreachable] = {}

    def concerns(self, subject: Subject) -> bool:
        """Whether the configuration names a URL."""
        return "://" in subject.configuration.upstream

    async def prepare(self, subjects: Sequence[Subject]) -> None:
        """Ask for all that `look` is going to tell."""
        wanted: dict[str, set[str]] = {}
        for subject in subjects:
            try:
                url, branch = _split(subject.configuration.upstream)
            except Invalid:
                continue
            wanted.setdefault(url, set()).add(f"refs/heads/{branch}" if branch else HEAD)
        self._known = await self._refs.of(wanted)

    async def look(self, subject: Subject) -> Finding:
        """The files that the repository has now, if it moved on; the first time in any case."""
        url, branch = _split(subject.configuration.upstream)
        ref = f"refs/heads/{branch}" if branch else HEAD
        stands = self._known[url]
        if isinstance(stands, SourceUnreachable):
            raise stands
        if ref not in stands:
            raise SourceUnreachable(f"{url} has no branch {branch or HEAD!r}.")
        if subject.marks.get(MARK) == stands[ref]:
            return NOTHING
        async with self._pace.turn():
            tree, author = await taken_from(self._mirror.git, url, branch, subject)
        return Finding(marks={MARK: stands[ref]}, tree=tree, author=author)


def _split(upstream: str) -> tuple[str, str]:
    """The repository and the branch ("" for its HEAD); Invalid."""
    url, _, fragment = upstream.removeprefix("git+").partition("#")
    check_url(url, _SCHEMES)
    return url, fragment.removeprefix("branch=")
