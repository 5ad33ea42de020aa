"""VCS packages: recipes whose sources are branches that move on without them."""

from collections.abc import Sequence

from quarters.model.errors import Invalid
from quarters.sources.errors import SourceUnreachable
from quarters.sources.locations import check_url
from quarters.sources.updates.refs import HEAD, Refs, Stands
from quarters.sources.updates.upstream import Finding, Subject

_SCHEMES = ("https", "http", "git", "ssh")
_BRANCH = "refs/heads/"
PREFIX = "branch "
"""What its marks begin with."""


class Branches:
    """Looks at every branch source of all subjects at once; a repository that several have is asked once."""

    def __init__(self, refs: Refs) -> None:
        self._refs = refs
        self._known: dict[str, Stands | SourceUnreachable] = {}

    def concerns(self, subject: Subject) -> bool:
        """Whether it is called a git package, or its configuration calls it one."""
        return subject.pkgbase.endswith("-git") or subject.configuration.follow_vcs

    async def prepare(self, subjects: Sequence[Subject]) -> None:
        """Ask for all that `look` is going to tell."""
        wanted: dict[str, set[str]] = {}
        for subject in subjects:
            for url, ref in branches(subject.sources):
                wanted.setdefault(url, set()).add(ref)
        self._known = await self._refs.of(wanted)

    async def look(self, subject: Subject) -> Finding:
        """Whether any of its branches stands elsewhere than when it was last looked at."""
        marks = {}
        moved = []
        for url, ref in branches(subject.sources):
            stands = self._known[url]
            if isinstance(stands, SourceUnreachable):
                raise stands
            if ref not in stands:
                raise SourceUnreachable(f"{url} has no branch {ref.removeprefix(_BRANCH)!r}.")
            key = f"{PREFIX}{url} {ref}"
            marks[key] = stands[ref]
            before = subject.marks.get(key)
            if before is not None and before != stands[ref]:
                moved.append(f"{url} moved from {before[:12]} to {stands[ref][:12]}")
        return Finding(marks=marks, moved="; ".join(moved))


def branches(sources: Sequence[str]) -> list[tuple[str, str]]:
    """The repository and ref of each source that follows a git branch (PKGBUILD(5), "Using VCS sources").

    What names a commit or tag does not; nor is looked at what is not on the network.
    """
    found: dict[tuple[str, str], None] = {}
    for entry in sources:
        rest = entry.rpartition("::")[2]
        scheme, plus, location = rest.partition("+")
        if scheme == "git" and plus:
            url = location
        elif rest.startswith("git://"):
            url = rest
        else:
            continue
        url, _, fragment = url.partition("#")
        kind, _, value = fragment.partition("?")[0].partition("=")
        url = url.partition("?")[0]
        try:
            check_url(url, _SCHEMES)
        except Invalid:
            continue
        if not fragment or not kind:
            found[url, HEAD] = None
        elif kind == "branch":
            found[url, f"{_BRANCH}{value}"] = None
    return list(found)
