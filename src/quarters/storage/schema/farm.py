"""Who takes part: builders, tokens, and the events that tell what happened."""

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    Table,
    Text,
)

from quarters.storage.schema.columns import Id, Json, Time, metadata

builders = Table(
    "builders",
    metadata,
    Column("name", Text, primary_key=True),
    Column("arches", Json, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("last_seen", Time, nullable=False),
    Column("version", Text, nullable=False),
    Column("executor", Text, nullable=False),
    Column("build_class", Integer, nullable=False, server_default="0"),
    Column(
        "memory", BigInteger, nullable=False, server_default="0"
    ),  # bytes for its builds, 0: it did not say
    Column("disk", BigInteger, nullable=False, server_default="0"),
    Column("strikes", Integer, nullable=False, server_default="0"),  # these three: planning.quarantine
    Column("quarantines", Integer, nullable=False, server_default="0"),
    Column("quarantined_until", Time),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time),
    Column("revoked_at", Time),
    Column("last_used_at", Time),
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Time, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", Json, nullable=False),
    sqlite_autoincrement=True,
)
