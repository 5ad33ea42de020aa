"""GitLab's API of projects and their tags (docs.gitlab.com/api/tags), version 4."""

from typing import TypeVar
from urllib.parse import quote

import msgspec

from quarters.sources.errors import SourceUnreachable
from quarters.sources.locations import is_ref
from quarters.sources.web import Web

_LARGEST = 4 << 20
_PER_PAGE = 100
_MOST_PAGES = 100

T = TypeVar("T")


class Tags(msgspec.Struct, frozen=True):
    """The commit of each tag of a project, and what asks for them again only if they changed."""

    commits: dict[str, str]
    etag: str


class _Commit(msgspec.Struct):
    id: str


class _Tag(msgspec.Struct):
    name: str
    commit: _Commit


class _Project(msgspec.Struct):
    path_with_namespace: str


class Gitlab:
    """A GitLab at `location`; projects are named by their number or their path."""

    def __init__(self, web: Web, location: str) -> None:
        self._web = web
        self._location = location.rstrip("/")

    async def tags(self, project: str, etag: str = "") -> Tags | None:
        """All tags whose names git takes, None if they are those that `etag` stands for."""
        place = f"{self._project(project)}/repository/tags?per_page={_PER_PAGE}"
        found: dict[str, str] = {}
        first = ""
        # Those that changed last come first: a first page that is the same has the same behind it.
        for number in range(1, _MOST_PAGES + 1):
            page = await self._web.get(f"{place}&page={number}", _LARGEST, etag if number == 1 else "")
            if page is None:
                return None
            first = first or page.etag
            tags = _decoded(page.body, list[_Tag], place)
            found |= {it.name: it.commit.id for it in tags if is_ref(it.name)}
            if len(tags) < _PER_PAGE:
                return Tags(found, first)
        raise SourceUnreachable(f"The project has more than {_MOST_PAGES * _PER_PAGE} tags.")

    async def repository(self, project: str) -> str:
        """Where git fetches a project."""
        if project.isdigit():
            url = self._project(project)
            page = await self._web.get(url, _LARGEST)
            project = _decoded(page.body if page else b"", _Project, url).path_with_namespace
        return f"{self._location}/{quote(project)}.git"

    def _project(self, project: str) -> str:
        return f"{self._location}/api/v4/projects/{quote(project, safe='')}"


def _decoded(body: bytes, type_: type[T], url: str) -> T:
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.DecodeError:
        raise SourceUnreachable(f"{url} does not answer as GitLab does.") from None
