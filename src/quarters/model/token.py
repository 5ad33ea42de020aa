"""What a bearer token may do."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Scope(StrEnum):
    """What a token allows: each of these allows reading, `admin` allows everything."""

    READ = "read"
    PUBLISH = "publish"
    BUILD = "build"
    BUILDER = "builder"
    ADMIN = "admin"

    def allows(self, wanted: "Scope") -> bool:
        """Whether a token of this scope may do what needs `wanted`."""
        return self in (wanted, Scope.ADMIN) or wanted is Scope.READ


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its secret; `expires_at` null means never."""

    id: int
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
