"""The kinds of sources that there are, by the name that a source's settings give."""

from quarters.sources.settings import SourcesSettings
from quarters.sources.source import Kinds
from quarters.sources.tree import TreeKind


def kinds(settings: SourcesSettings) -> Kinds:
    """Every kind that this installation knows."""
    return {"tree": TreeKind(settings.fetch_timeout)}
