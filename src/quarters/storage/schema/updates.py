"""What is known about upstreams of recipes, and how the runs that follow them went."""

from sqlalchemy import Column, ForeignKey, Integer, Table, Text

from quarters.storage.schema.columns import Json, Time, metadata

update_runs = Table(
    "update_runs",
    metadata,
    Column("source", Text, ForeignKey("sources.name", ondelete="CASCADE"), primary_key=True),
    Column("ended_at", Time),
    Column("problem", Text, nullable=False, server_default=""),
    Column("commit", Text, nullable=False, server_default=""),
    Column("committed", Json, nullable=False, server_default="[]"),
    Column("wanted", Json),  # names that somebody asks to look at now, none for all; null: nobody does
    Column("fired", Json, nullable=False, server_default="{}"),  # times by trigger
    Column("memory", Json, nullable=False, server_default="{}"),
)

update_states = Table(
    "update_states",
    metadata,
    Column("source", Text, ForeignKey("sources.name", ondelete="CASCADE"), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("upstream", Text, nullable=False, server_default=""),
    Column("marks", Json, nullable=False, server_default="{}"),
    Column("changed_at", Time),
    Column("problem", Text, nullable=False, server_default=""),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("retry_at", Time),
    Column("cause", Text),  # it is to be built for this; null: it is not
    Column("detail", Text, nullable=False, server_default=""),
)

# The versions that packages of upstream repositories had when a source's recipes were last held against them.
seen_versions = Table(
    "seen_versions",
    metadata,
    Column("source", Text, ForeignKey("sources.name", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Text, nullable=False),
)
