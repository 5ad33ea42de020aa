"""What is published: repositories, their packages, snapshots and indexes."""

from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from quarters.storage.schema.columns import Id, Json, Name, Time, metadata

repositories = Table(
    "repositories",
    metadata,
    Column("name", Text, primary_key=True),
    Column("settings", Json, nullable=False),  # model.repository.Repository
    Column("created_at", Time, nullable=False),
    Column(
        "current", Integer, nullable=False, server_default="0"
    ),  # number of the served snapshot, 0: none yet
    Column("upstreams_at", Time),  # when the upstream databases were last looked at
)

upstream_packages = Table(
    "upstream_packages",
    metadata,
    Column("repository", Text, ForeignKey("repositories.name", ondelete="CASCADE"), primary_key=True),
    Column("upstream", Text, primary_key=True),
    Column("arch", Text, primary_key=True),
    Column("etag", Text, nullable=False, server_default=""),  # Last-Modified of the index that was read
    Column("packages", Json, nullable=False),  # list of model.repository.Published
    Column("changed_at", Time),  # when that list was last another one
    Column("problem", Text, nullable=False, server_default=""),
)

packages = Table(
    "packages",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("file_name", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("arch", Text, nullable=False),
    Column("info", Json, nullable=False),  # model.repository.PackageFile without its index parts
    Column(
        "index_parts", Json, nullable=False
    ),  # PackageFile.index: apart, since every publish reads all of them
    Column("added_at", Time, nullable=False),
    Column("build", Id),
    Column("fingerprint", Text, nullable=False, server_default=""),  # of the recipe it was built from
    Index("packages_by_file", "file_name"),  # what clients ask for
)

signatures = Table(
    "signatures",
    metadata,
    Column("sha256", Text, ForeignKey("packages.sha256", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),  # fingerprint
    Column("data", LargeBinary, nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("repository", Text, ForeignKey("repositories.name", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("created_at", Time, nullable=False),
    Column(
        "modified_at", Time, nullable=False
    ),  # what Last-Modified says: rises by at least a second a publish
    Column("actor", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("packages", Integer, nullable=False),
    Column("compression", Text, nullable=False),  # of its index, whatever the policy is by now
)

pins = Table(
    "pins",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    ForeignKeyConstraint(
        ["repository", "number"], ["snapshots.repository", "snapshots.number"], ondelete="CASCADE"
    ),
)

# Package files that nothing lists any more; a file is removed only together with its row here, after a while.
garbage = Table(
    "garbage",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("marked_at", Time, nullable=False),
)

# While one of these lasts no package file is removed: somebody copies them.
holds = Table(
    "holds",
    metadata,
    Column("name", Text, primary_key=True),
    Column("until", Time, nullable=False),
)

# A package is listed from snapshot `since` until just before `until` (null: still), so a snapshot costs what it changes.
entries = Table(
    "entries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("repository", Text, ForeignKey("repositories.name", ondelete="CASCADE"), nullable=False),
    Column("arch", Text, nullable=False),
    Column("name", Name, nullable=False),
    Column("sha256", Text, ForeignKey("packages.sha256"), nullable=False),
    Column("since", Integer, nullable=False),
    Column("until", Integer),
    UniqueConstraint("repository", "arch", "name", "since"),
    Index("entries_by_package", "sha256", "repository", "arch"),
    Index(
        "entries_current",
        "repository",
        "arch",
        "name",
        unique=True,
        sqlite_where=text("until IS NULL"),
        postgresql_where=text("until IS NULL"),
    ),
)
