"""Which kinds of sources there are: ours, and those of installed packages with the entry point `quarters.sources`."""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from types import MappingProxyType

from quarters.model.review import Level
from quarters.sources.kinds.aur import AurKind
from quarters.sources.kinds.git import GitKind
from quarters.sources.kinds.gitlab import GitlabKind
from quarters.sources.kinds.nvchecker import NvcheckerKind
from quarters.sources.kinds.svn import SvnKind
from quarters.sources.kinds.tree import TreeKind
from quarters.sources.kinds.url import UrlKind
from quarters.sources.settings import SourcesSettings
from quarters.sources.source import Kind, Kinds

_OURS: Mapping[str, Callable[[SourcesSettings], Kind]] = MappingProxyType(
    {
        "aur": AurKind,
        "git": GitKind,
        "gitlab": GitlabKind,
        "nvchecker": NvcheckerKind,
        "svn": SvnKind,
        "tree": TreeKind,
        "url": UrlKind,
    }
)
_ONES_OWN = frozenset({"git", "gitlab", "nvchecker", "svn", "tree"})


def kinds(settings: SourcesSettings) -> Kinds:
    """Every kind that this installation knows; a plug-in cannot take the name of one of ours."""
    plugins = {entry.name: entry.load() for entry in entry_points(group="quarters.sources")}
    return {name: kind(settings) for name, kind in (plugins | dict(_OURS)).items()}


def usual_review(kind: str) -> Level:
    """What waits for a person unless a source says otherwise: what strangers may write."""
    return Level.OFF if kind in _ONES_OWN else Level.MAJOR
