"""The tables, the same on SQLite and PostgreSQL. Times are integers: microseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from quarters.planning.order import STEP

metadata = MetaData()

# SQLite numbers rows itself only in INTEGER primary keys, PostgreSQL wants 64 bits.
_Id = BigInteger().with_variant(Integer, "sqlite")


class Time(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Store without rounding through a float."""
        if value is None:
            return None
        delta = value - _EPOCH
        return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Read back as UTC."""
        if value is None:
            return None
        seconds, micros = divmod(value, 1_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)


class Json(TypeDecorator[Any]):
    """A value that msgspec encodes; read back as plain lists and dicts, for `msgspec.convert`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Encode."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Decode."""
        return None if value is None else msgspec.json.decode(value)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DUE = f"created_at - priority * {STEP // timedelta(microseconds=1)} - chain * 1000000"

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

sources = Table(
    "sources",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("repository", Text, ForeignKey("repositories.name"), nullable=False),
    Column("branch", Text, nullable=False, server_default=""),
    Column("path", Text, nullable=False, server_default=""),
    Column("packages", Json, nullable=False, server_default="[]"),  # names that its kind asks for
    Column("dependencies", Boolean, nullable=False, server_default=text("false")),
    Column("hook_secret", Text, nullable=False, server_default=""),  # what forges prove their pushes with
    Column("automatic", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("max_running", Integer, nullable=False, server_default="0"),  # of its builds at once, 0: no limit
    Column("revision", Text, nullable=False, server_default=""),
    Column("synced_at", Time),
    Column("sync_wanted_at", Time),  # a person or a webhook asks for a sync now
    Column("problem", Text, nullable=False, server_default=""),
    # Rises whenever its recipes change; the scheduler plans when it is ahead of planned_generation.
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("planned_generation", Integer, nullable=False, server_default="0"),
)

recipes = Table(
    "recipes",
    metadata,
    Column("source", Text, ForeignKey("sources.name", ondelete="CASCADE"), primary_key=True),
    Column("pkgbase", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("recipe", Json),  # model.recipe.Recipe, null when unreadable
    Column("problem", Text, nullable=False, server_default=""),
)

# Pkgbases whose recipe left its source, or makes less than before: what only they made is to leave the repository.
withdrawals = Table(
    "withdrawals",
    metadata,
    Column("repository", Text, ForeignKey("repositories.name", ondelete="CASCADE"), primary_key=True),
    Column("pkgbase", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("at", Time, nullable=False),
)

# What commits of a source's people ask for in their messages; each is known by what a rebase leaves as it is.
commits = Table(
    "commits",
    metadata,
    Column("source", Text, ForeignKey("sources.name", ondelete="CASCADE"), primary_key=True),
    Column("identity", Text, primary_key=True),
    Column("number", Integer, nullable=False),  # rises within a source, in the order in which commits came
    Column("revision", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("subject", Text, nullable=False),
    Column("asks", Json, nullable=False),  # names, or `all`
    Column("pending", Boolean, nullable=False),
    Column("request", _Id),
    Column("problem", Text, nullable=False, server_default=""),
    UniqueConstraint("source", "number"),
)

requests = Table(
    "requests",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("repository", Text, nullable=False),
    Column("arch", Text, nullable=False),
    Column("requester", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("packages", Json, nullable=False),
    Column("problems", Json, nullable=False),
    Column("planned_at", Time, nullable=False),  # the problems are those of then
)

# Builds that are alike in who may build them (planning.farm.Queue): a claim looks at whole queues, not at each build.
queues = Table(
    "queues",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("arch", Text, nullable=False),
    Column("repository", Text, ForeignKey("repositories.name", ondelete="CASCADE"), nullable=False),
    Column("source", Text, nullable=False),
    Column("build_class", Integer, nullable=False),
    Column("only_builder", Text, nullable=False),
    UniqueConstraint("repository", "arch", "source", "build_class", "only_builder"),
)

# Seconds of building that each source was given, as they counted `at` that time (planning.shares).
shares = Table(
    "shares",
    metadata,
    Column("source", Text, primary_key=True),
    Column("seconds", Float, nullable=False),
    Column("at", Time, nullable=False),
)

# What builds of a package used before (planning.usage), and so what the next one needs; 0 is not known.
usage = Table(
    "usage",
    metadata,
    Column("pkgbase", Text, primary_key=True),
    Column("arch", Text, primary_key=True),
    Column("seconds", Integer, nullable=False),
    Column("memory", BigInteger, nullable=False),
    Column("disk", BigInteger, nullable=False),
    Column("measured_at", Time, nullable=False),
)

builds = Table(
    "builds",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("request_id", _Id, ForeignKey("requests.id"), nullable=False),
    Column("repository", Text, ForeignKey("repositories.name", ondelete="CASCADE"), nullable=False),
    Column("arch", Text, nullable=False),
    Column("pkgbase", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("recipe", Json, nullable=False),  # model.recipe.Recipe as it was planned
    Column("state", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("requester", Text, nullable=False),
    Column("packager", Text, nullable=False),
    Column("bump", Integer, nullable=False, server_default="0"),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("chain", BigInteger, nullable=False, server_default="0"),  # seconds of the longest one it begins
    # As planning.order.due has it: what is due first is given out first.
    Column("due", Time, Computed(_DUE, persisted=True)),
    Column("queue", _Id, ForeignKey("queues.id"), nullable=False),
    Column("build_class", Integer, nullable=False, server_default="0"),
    Column("only_builder", Text, nullable=False, server_default=""),
    Column("memory", BigInteger, nullable=False, server_default="0"),  # bytes it needs, 0: not known
    Column("disk", BigInteger, nullable=False, server_default="0"),
    Column("duration", Integer, nullable=False, server_default="0"),  # seconds to expect, 0: not known
    Column("forgiven", Integer, nullable=False, server_default="0"),  # attempts before a person's retry
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("step", Text),
    Column("builder", Text),
    Column("lease_expires_at", Time),
    Column("created_at", Time, nullable=False),
    Column("started_at", Time),
    Column("finished_at", Time),
    Column("not_before", Time),
    Column("reason", Text),
    Column("command", Text),
    Column("exit_code", Integer),
    Column("message", Text, nullable=False, server_default=""),
    Column("bumping", Text, nullable=False, server_default="minor"),  # a model.build.Bump
    Column("allow_downgrade", Boolean, nullable=False, server_default=text("false")),
    Column("grounds", Json, nullable=False, server_default="{}"),  # model.build.Grounds
    Column("rebuild", _Id),  # the one with which its packages become visible
    Index("builds_by_state", "state", "queue", "created_at"),  # how many there are of each, and how old
    Index("builds_by_base", "repository", "pkgbase", "arch"),
    # All that a claim asks about ready and running builds is answered from these two, without looking at the rows.
    Index(
        "builds_ready",
        "queue",
        "due",
        "id",
        "not_before",
        "memory",
        "disk",
        sqlite_where=text("state = 'ready'"),
        postgresql_where=text("state = 'ready'"),
    ),
    Index(
        "builds_running",
        "queue",
        "builder",
        "memory",
        "disk",
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
    Index("builds_by_request", "request_id"),
    # At most one unfinished build of a recipe for a repository and architecture.
    Index(
        "builds_open",
        "repository",
        "pkgbase",
        "arch",
        unique=True,
        sqlite_where=text("state IN ('waiting','blocked','ready','running','publishing')"),
        postgresql_where=text("state IN ('waiting','blocked','ready','running','publishing')"),
    ),
    sqlite_autoincrement=True,  # a number is never given to a second build, whose logs would be the first one's
)

# Builds whose packages become visible together; until then they are in a repository of their own, `staging`.
rebuilds = Table(
    "rebuilds",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("repository", Text, ForeignKey("repositories.name", ondelete="CASCADE"), nullable=False),
    Column("requester", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("ended_at", Time),
    Column("state", Text, nullable=False),  # a model.rebuild.RebuildState
    Column("detail", Text, nullable=False, server_default=""),
    Column("message", Text, nullable=False, server_default=""),
    Column("staging", Text, nullable=False, server_default=""),  # "" before the first and after the last
    Column("into", _Id),  # the rebuild that took this one's builds over
    Column("left_out", Json),  # pkgbases that may break when it is published, null: any
    Index("rebuilds_by_state", "state"),
)

# Libraries that a publish took away: whatever still links to one of them wants to be built again.
lost_libraries = Table(
    "lost_libraries",
    metadata,
    Column("repository", Text, ForeignKey("repositories.name", ondelete="CASCADE"), primary_key=True),
    Column("arch", Text, primary_key=True),
    Column("soname", Text, primary_key=True),
    Column("bits", Integer, primary_key=True),
    Column("machine", Integer, primary_key=True),
    Column("package", Text, nullable=False),  # that provided it until then
    Column("successor", Text, nullable=False, server_default=""),  # what it provides instead
    Column("lost_at", Time, nullable=False),
    Column("noticed", Boolean, nullable=False, server_default=text("false")),  # whether an event told
)

# Which requests want a build: the one that it was made for, and those that joined it.
wishes = Table(
    "wishes",
    metadata,
    Column("request", _Id, ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("build", _Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("withdrawn", Boolean, nullable=False),
    Index("wishes_by_build", "build"),
)

# Needs of a build that nothing satisfies yet: an upstream is to bring a newer version. It waits until none is left.
lacks = Table(
    "lacks",
    metadata,
    Column("build", _Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("dependency", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("there", Text, nullable=False),  # what there is instead, in words
)

# Which packages met the dependencies of an attempt: should it fail, others are a reason to try again.
surroundings = Table(
    "surroundings",
    metadata,
    Column("build", _Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("packages", Json, nullable=False),  # by dependency: name and version
)

# Running builds of older recipes that are left to finish; what a request wants in their place follows them.
successions = Table(
    "successions",
    metadata,
    Column("build", _Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("request", _Id, ForeignKey("requests.id", ondelete="CASCADE"), nullable=False),
    Column("priority", Integer, nullable=False),
)

schedules = Table(
    "schedules",
    metadata,
    Column("source", Text, ForeignKey("sources.name", ondelete="CASCADE"), primary_key=True),
    Column(
        "pkgbase", Text, primary_key=True
    ),  # "": all of the source's recipes without a schedule of their own
    Column("expression", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("next_at", Time, nullable=False),
    Column("fired_at", Time),
    Column("due_at", Time),  # it fired then, and its builds are still to be planned
)

build_needs = Table(
    "build_needs",
    metadata,
    Column("build", _Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("needs", _Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("dependency", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Index("build_needs_reverse", "needs"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("build", _Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("builder", Text, nullable=False),
    Column("lease_hash", Text, nullable=False),  # SHA-256 of the token that the builder shows
    Column("started_at", Time, nullable=False),
    Column("ended_at", Time),
    Column(
        "outcome", Text, nullable=False, server_default=""
    ),  # a model.build.Outcome, or `lost`, `cancelled`
    Column("reason", Text),
    Column("steps", Json, nullable=False),  # list of model.build.StepRecord
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("build", _Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("file_name", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("signature", LargeBinary),  # its builder's, detached
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
    Column("build", _Id),
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

# By bytes, as Python orders names, on every engine: stretches of them are asked for.
_Name = Text().with_variant(Text(collation="C"), "postgresql")

# A package is listed from snapshot `since` until just before `until` (null: still), so a snapshot costs what it changes.
entries = Table(
    "entries",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("repository", Text, ForeignKey("repositories.name", ondelete="CASCADE"), nullable=False),
    Column("arch", Text, nullable=False),
    Column("name", _Name, nullable=False),
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
    Column("id", _Id, primary_key=True),
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
    Column("id", _Id, primary_key=True),
    Column("at", Time, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", Json, nullable=False),
    sqlite_autoincrement=True,
)
