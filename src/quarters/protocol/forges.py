"""Messages about the forge at which changes of a tree are shown."""

from typing import Annotated

import msgspec
from msgspec import Meta

from quarters.model.forge import ForgeKind


class NewForge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to open merge requests, and with which token; the token is shown to nobody again."""

    kind: ForgeKind
    project: Annotated[str, Meta(max_length=300, pattern=r"^(?:\d+|[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+)$")]
    """`OWNER/NAME`, at GitLab also with groups within groups, or the project's number."""
    token: Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[\x21-\x7e]+$")]
    url: Annotated[str, Meta(max_length=1000)] = ""
    """The forge's own address; "" for github.com or gitlab.com."""
    assignee: Annotated[str, Meta(max_length=100, pattern=r"^[A-Za-z0-9_.-]*$")] = ""
