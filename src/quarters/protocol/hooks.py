"""Messages about webhooks."""

import msgspec


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """What to enter at a forge: the address below the server's own, and the secret."""

    path: str
    secret: str


class NewHook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish for a webhook; `renew` makes the secret of before worthless."""

    renew: bool = False


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a push leads to a sync."""

    sync: bool
