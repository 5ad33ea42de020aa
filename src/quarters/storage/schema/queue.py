"""What is asked for and built: requests, builds and what they wait for."""

from datetime import timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from quarters.planning.order import STEP
from quarters.storage.schema.columns import Id, Json, Time, metadata

_DUE = f"created_at - priority * {STEP // timedelta(microseconds=1)} - chain * 1000000"

requests = Table(
    "requests",
    metadata,
    Column("id", Id, primary_key=True),
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
    Column("id", Id, primary_key=True),
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
    Column("id", Id, primary_key=True),
    Column("request_id", Id, ForeignKey("requests.id"), nullable=False),
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
    Column("queue", Id, ForeignKey("queues.id"), nullable=False),
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
    Column("rebuild", Id),  # the one with which its packages become visible
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
    Column("id", Id, primary_key=True),
    Column("repository", Text, ForeignKey("repositories.name", ondelete="CASCADE"), nullable=False),
    Column("requester", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("ended_at", Time),
    Column("state", Text, nullable=False),  # a model.rebuild.RebuildState
    Column("detail", Text, nullable=False, server_default=""),
    Column("message", Text, nullable=False, server_default=""),
    Column("staging", Text, nullable=False, server_default=""),  # "" before the first and after the last
    Column("into", Id),  # the rebuild that took this one's builds over
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
    Column("request", Id, ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("build", Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("withdrawn", Boolean, nullable=False),
    Index("wishes_by_build", "build"),
)

# Needs of a build that nothing satisfies yet: an upstream is to bring a newer version. It waits until none is left.
lacks = Table(
    "lacks",
    metadata,
    Column("build", Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("dependency", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("there", Text, nullable=False),  # what there is instead, in words
)

# Which packages met the dependencies of an attempt: should it fail, others are a reason to try again.
surroundings = Table(
    "surroundings",
    metadata,
    Column("build", Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("packages", Json, nullable=False),  # by dependency: name and version
)

# Running builds of older recipes that are left to finish; what a request wants in their place follows them.
successions = Table(
    "successions",
    metadata,
    Column("build", Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("request", Id, ForeignKey("requests.id", ondelete="CASCADE"), nullable=False),
    Column("priority", Integer, nullable=False),
)

build_needs = Table(
    "build_needs",
    metadata,
    Column("build", Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("needs", Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("dependency", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Index("build_needs_reverse", "needs"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("build", Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
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
    Column("build", Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("file_name", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("signature", LargeBinary),  # its builder's, detached
)
