"""Rows of forges: at which project's pages the changes of a tree are shown, and the token that does so."""

import msgspec
from sqlalchemy import Connection, delete, insert, select

from quarters.model.errors import NotFound
from quarters.model.forge import Forge
from quarters.storage.schema import forges

_FIELDS = Forge.__struct_fields__


class Account(msgspec.Struct, frozen=True):
    """A forge, and the token by which merge requests are made there."""

    forge: Forge
    token: str


def put(connection: Connection, source: str, forge: Forge, token: str) -> None:
    """Show changes of `source` there, in place of where they were shown before."""
    connection.execute(delete(forges).where(forges.c.source == source))
    connection.execute(insert(forges).values(source=source, token=token, **msgspec.structs.asdict(forge)))


def get(connection: Connection, source: str) -> Account:
    """Where changes of `source` are shown, or NotFound."""
    found = listed(connection).get(source)
    if found is None:
        raise NotFound(f"The changes of {source!r} are shown at no forge.")
    return found


def remove(connection: Connection, source: str) -> None:
    """Show changes of `source` nowhere, or NotFound."""
    if connection.execute(delete(forges).where(forges.c.source == source)).rowcount == 0:
        raise NotFound(f"The changes of {source!r} are shown at no forge.")


def listed(connection: Connection) -> dict[str, Account]:
    """All, by source."""
    return {
        row.source: Account(
            msgspec.convert({field: getattr(row, field) for field in _FIELDS}, Forge), row.token
        )
        for row in connection.execute(select(forges).order_by(forges.c.source))
    }
