"""Bearer tokens: only a hash of the secret is kept, and finding it is one look-up."""

from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, insert, or_, select, update

from quarters.model.errors import NotFound
from quarters.model.token import Scope, Token
from quarters.storage.schema import tokens

_SHOWN = [column for column in tokens.c if column.name != "hash"]


_BY_HASH = select(*_SHOWN).where(tokens.c.hash == bindparam("its_hash"))


def add(
    connection: Connection, name: str, scope: Scope, hash: str, now: datetime, expires_at: datetime | None
) -> Token:
    """Keep a new token under the hash of its secret."""
    values = {"name": name, "scope": scope, "hash": hash, "created_at": now, "expires_at": expires_at}
    added = connection.execute(insert(tokens).values(values).returning(*_SHOWN))
    return _token(added.one())


def by_hash(connection: Connection, hash: str) -> Token | None:
    """The token whose secret has this hash, also when it is revoked or expired."""
    row = connection.execute(_BY_HASH, {"its_hash": hash}).one_or_none()
    return None if row is None else _token(row)


def listed(connection: Connection, after: int, limit: int) -> list[Token]:
    """The oldest `limit` tokens with an id above `after`, revoked ones too."""
    query = select(*_SHOWN).where(tokens.c.id > after).order_by(tokens.c.id).limit(limit)
    return [_token(row) for row in connection.execute(query)]


def revoke(connection: Connection, token: int, now: datetime) -> None:
    """End a token's life; NotFound if there is none, nothing to do if it is revoked already."""
    if connection.execute(select(tokens.c.id).where(tokens.c.id == token)).first() is None:
        raise NotFound(f"There is no token {token}.")
    query = update(tokens).where(tokens.c.id == token, tokens.c.revoked_at.is_(None))
    connection.execute(query.values(revoked_at=now))


def used(connection: Connection, token: int, now: datetime, unless_since: datetime) -> None:
    """Note that a token was used, unless that was noted after `unless_since`."""
    stale = or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at <= unless_since)
    connection.execute(update(tokens).where(tokens.c.id == token, stale).values(last_used_at=now))


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        scope=Scope(row.scope),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
