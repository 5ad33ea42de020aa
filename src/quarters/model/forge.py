"""Where a tree is kept that people see changes at: a forge, on which a change that waits becomes a merge request."""

from enum import StrEnum

import msgspec


class ForgeKind(StrEnum):
    """Which programming interface it speaks; Forgejo speaks Gitea's."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


class Forge(msgspec.Struct, frozen=True, kw_only=True):
    """A project at the forge whose pages are below `url`; `assignee` is an account there, "" for nobody."""

    kind: ForgeKind
    url: str
    project: str
    assignee: str = ""
