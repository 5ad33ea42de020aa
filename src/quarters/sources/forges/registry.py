"""Which forges there are."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from quarters.model.forge import Forge, ForgeKind
from quarters.sources.forges.forge import ForgeApi
from quarters.sources.forges.gitea import Gitea
from quarters.sources.forges.github import GitHub
from quarters.sources.forges.gitlab import GitLab

_FORGES: Mapping[ForgeKind, Callable[[Forge, str, float], ForgeApi]] = MappingProxyType(
    {ForgeKind.GITEA: Gitea, ForgeKind.GITHUB: GitHub, ForgeKind.GITLAB: GitLab}
)


def api(forge: Forge, token: str, timeout: float) -> ForgeApi:
    """The forge, spoken to in its own way; an answer may take `timeout` seconds."""
    return _FORGES[forge.kind](forge, token, timeout)
