"""the first tables"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "builders",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("arches", sa.Text(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("executor", sa.Text(), nullable=False),
        sa.Column("build_class", sa.Integer(), server_default="0", nullable=False),
        sa.Column("memory", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("disk", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("strikes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("quarantines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("quarantined_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "packages",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("info", sa.Text(), nullable=False),
        sa.Column("index_parts", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("build", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("fingerprint", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    with op.batch_alter_table("packages", schema=None) as batch_op:
        batch_op.create_index("packages_by_file", ["file_name"], unique=False)

    op.create_table(
        "repositories",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("current", sa.Integer(), server_default="0", nullable=False),
        sa.Column("upstreams_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("packages", sa.Text(), nullable=False),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "rebuilds",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("staging", sa.Text(), server_default="", nullable=False),
        sa.Column("into", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("left_out", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["repository"], ["repositories.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("rebuilds", schema=None) as batch_op:
        batch_op.create_index("rebuilds_by_state", ["state"], unique=False)

    op.create_table(
        "lost_libraries",
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("soname", sa.Text(), nullable=False),
        sa.Column("bits", sa.Integer(), nullable=False),
        sa.Column("machine", sa.Integer(), nullable=False),
        sa.Column("package", sa.Text(), nullable=False),
        sa.Column("successor", sa.Text(), server_default="", nullable=False),
        sa.Column("lost_at", sa.BigInteger(), nullable=False),
        sa.Column("noticed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["repository"], ["repositories.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("repository", "arch", "soname", "bits", "machine"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    op.create_table(
        "queues",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("build_class", sa.Integer(), nullable=False),
        sa.Column("only_builder", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["repository"], ["repositories.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("repository", "arch", "source", "build_class", "only_builder"),
    )
    op.create_table(
        "shares",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )
    op.create_table(
        "usage",
        sa.Column("pkgbase", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("memory", sa.BigInteger(), nullable=False),
        sa.Column("disk", sa.BigInteger(), nullable=False),
        sa.Column("measured_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pkgbase", "arch"),
    )
    op.create_table(
        "builds",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("pkgbase", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("packager", sa.Text(), nullable=False),
        sa.Column("bump", sa.Integer(), server_default="0", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("chain", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "due",
            sa.BigInteger(),
            sa.Computed("created_at - priority * 2592000000000 - chain * 1000000", persisted=True),
        ),
        sa.Column("queue", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("build_class", sa.Integer(), server_default="0", nullable=False),
        sa.Column("only_builder", sa.Text(), server_default="", nullable=False),
        sa.Column("memory", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("disk", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("duration", sa.Integer(), server_default="0", nullable=False),
        sa.Column("forgiven", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("step", sa.Text(), nullable=True),
        sa.Column("builder", sa.Text(), nullable=True),
        sa.Column("lease_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("command", sa.Text(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("bumping", sa.Text(), server_default="minor", nullable=False),
        sa.Column("allow_downgrade", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("grounds", sa.Text(), server_default="{}", nullable=False),
        sa.Column("rebuild", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["repository"], ["repositories.name"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["queue"],
            ["queues.id"],
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["requests.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("builds", schema=None) as batch_op:
        batch_op.create_index("builds_by_base", ["repository", "pkgbase", "arch"], unique=False)
        batch_op.create_index("builds_by_request", ["request_id"], unique=False)
        batch_op.create_index("builds_by_state", ["state", "queue", "created_at"], unique=False)
        batch_op.create_index(
            "builds_open",
            ["repository", "pkgbase", "arch"],
            unique=True,
            sqlite_where=sa.text("state IN ('waiting','blocked','ready','running','publishing')"),
            postgresql_where=sa.text("state IN ('waiting','blocked','ready','running','publishing')"),
        )
        batch_op.create_index(
            "builds_ready",
            ["queue", "due", "id", "not_before", "memory", "disk"],
            unique=False,
            sqlite_where=sa.text("state = 'ready'"),
            postgresql_where=sa.text("state = 'ready'"),
        )
        batch_op.create_index(
            "builds_running",
            ["queue", "builder", "memory", "disk"],
            unique=False,
            sqlite_where=sa.text("state = 'running'"),
            postgresql_where=sa.text("state = 'running'"),
        )

    op.create_table(
        "entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["repository"], ["repositories.name"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["sha256"],
            ["packages.sha256"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("repository", "arch", "name", "since"),
    )
    with op.batch_alter_table("entries", schema=None) as batch_op:
        batch_op.create_index("entries_by_package", ["sha256", "repository", "arch"], unique=False)
        batch_op.create_index(
            "entries_current",
            ["repository", "arch", "name"],
            unique=True,
            sqlite_where=sa.text("until IS NULL"),
            postgresql_where=sa.text("until IS NULL"),
        )

    op.create_table(
        "signatures",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["packages.sha256"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sha256", "key"),
    )
    op.create_table(
        "snapshots",
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("packages", sa.Integer(), nullable=False),
        sa.Column("compression", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["repository"], ["repositories.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("repository", "number"),
    )
    op.create_table(
        "pins",
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository", "number"], ["snapshots.repository", "snapshots.number"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository", "name"),
    )
    op.create_table(
        "garbage",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("marked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_table(
        "holds",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "sources",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), server_default="", nullable=False),
        sa.Column("path", sa.Text(), server_default="", nullable=False),
        sa.Column("packages", sa.Text(), server_default="[]", nullable=False),
        sa.Column("dependencies", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("prereleases", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("hook_secret", sa.Text(), server_default="", nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("max_running", sa.Integer(), server_default="0", nullable=False),
        sa.Column("review", sa.Text(), server_default="off", nullable=False),
        sa.Column("update_review", sa.Text(), server_default="major", nullable=False),
        sa.Column("trusted", sa.Text(), server_default="[]", nullable=False),
        sa.Column("cooldown", sa.Integer(), server_default="0", nullable=False),
        sa.Column("updates", sa.Text(), server_default="{}", nullable=False),
        sa.Column("revision", sa.Text(), server_default="", nullable=False),
        sa.Column("synced_at", sa.BigInteger(), nullable=True),
        sa.Column("sync_wanted_at", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("planned_generation", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["repository"],
            ["repositories.name"],
        ),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "withdrawals",
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("pkgbase", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["repository"], ["repositories.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("repository", "pkgbase"),
    )
    op.create_table(
        "commits",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("asks", sa.Text(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source", "identity"),
        sa.UniqueConstraint("source", "number"),
    )
    op.create_table(
        "upstream_packages",
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("upstream", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), server_default="", nullable=False),
        sa.Column("packages", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["repository"], ["repositories.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("repository", "upstream", "arch"),
    )
    op.create_table(
        "artifacts",
        sa.Column("build", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["build"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build", "attempt", "file_name"),
    )
    op.create_table(
        "attempts",
        sa.Column("build", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("builder", sa.Text(), nullable=False),
        sa.Column("lease_hash", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["build"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build", "number"),
    )
    op.create_table(
        "build_needs",
        sa.Column("build", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("needs", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dependency", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["build"], ["builds.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["needs"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build", "needs"),
    )
    with op.batch_alter_table("build_needs", schema=None) as batch_op:
        batch_op.create_index("build_needs_reverse", ["needs"], unique=False)

    op.create_table(
        "recipes",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("pkgbase", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source", "pkgbase"),
    )

    op.create_table(
        "wishes",
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("build", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["request"], ["requests.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["build"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("request", "build"),
    )
    with op.batch_alter_table("wishes", schema=None) as batch_op:
        batch_op.create_index("wishes_by_build", ["build"], unique=False)

    op.create_table(
        "lacks",
        sa.Column("build", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dependency", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("there", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["build"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build", "dependency"),
    )
    op.create_table(
        "surroundings",
        sa.Column("build", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("packages", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["build"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build"),
    )
    op.create_table(
        "successions",
        sa.Column("build", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["build"], ["builds.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["request"], ["requests.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build"),
    )
    op.create_table(
        "update_runs",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.Column("commit", sa.Text(), server_default="", nullable=False),
        sa.Column("committed", sa.Text(), server_default="[]", nullable=False),
        sa.Column("wanted", sa.Text(), nullable=True),
        sa.Column("fired", sa.Text(), server_default="{}", nullable=False),
        sa.Column("memory", sa.Text(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source"),
    )
    op.create_table(
        "update_states",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("upstream", sa.Text(), server_default="", nullable=False),
        sa.Column("marks", sa.Text(), server_default="{}", nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_at", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source", "path"),
    )
    op.create_table(
        "seen_versions",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source", "name"),
    )
    op.create_table(
        "schedules",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("pkgbase", sa.Text(), nullable=False),
        sa.Column("expression", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("fired_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source", "pkgbase"),
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("from_revision", sa.Text(), nullable=False),
        sa.Column("from_fingerprint", sa.Text(), nullable=False),
        sa.Column("to_revision", sa.Text(), nullable=False),
        sa.Column("to_fingerprint", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("maintainers", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("passes_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("taken", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("reviews", schema=None) as batch_op:
        batch_op.create_index("reviews_by_path", ["source", "path"], unique=False)
        batch_op.create_index("reviews_by_state", ["state"], unique=False)

    op.create_table(
        "forges",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("assignee", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source"),
    )
    op.create_table(
        "maintainers",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("accounts", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source", "path"),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("maintainers")
    op.drop_table("forges")
    with op.batch_alter_table("reviews", schema=None) as batch_op:
        batch_op.drop_index("reviews_by_state")
        batch_op.drop_index("reviews_by_path")

    op.drop_table("reviews")
    op.drop_table("schedules")
    op.drop_table("update_runs")
    op.drop_table("update_states")
    op.drop_table("seen_versions")
    op.drop_table("successions")
    op.drop_table("surroundings")
    op.drop_table("lacks")
    with op.batch_alter_table("wishes", schema=None) as batch_op:
        batch_op.drop_index("wishes_by_build")

    op.drop_table("wishes")
    op.drop_table("lost_libraries")
    with op.batch_alter_table("rebuilds", schema=None) as batch_op:
        batch_op.drop_index("rebuilds_by_state")

    op.drop_table("rebuilds")
    op.drop_table("recipes")
    with op.batch_alter_table("build_needs", schema=None) as batch_op:
        batch_op.drop_index("build_needs_reverse")

    op.drop_table("build_needs")
    op.drop_table("attempts")
    op.drop_table("artifacts")
    op.drop_table("upstream_packages")
    op.drop_table("withdrawals")
    op.drop_table("commits")
    op.drop_table("sources")
    op.drop_table("pins")
    op.drop_table("holds")
    op.drop_table("garbage")
    op.drop_table("snapshots")
    op.drop_table("signatures")
    with op.batch_alter_table("entries", schema=None) as batch_op:
        batch_op.drop_index(
            "entries_current",
            sqlite_where=sa.text("until IS NULL"),
            postgresql_where=sa.text("until IS NULL"),
        )
        batch_op.drop_index("entries_by_package")

    op.drop_table("entries")
    with op.batch_alter_table("builds", schema=None) as batch_op:
        batch_op.drop_index(
            "builds_running",
            sqlite_where=sa.text("state = 'running'"),
            postgresql_where=sa.text("state = 'running'"),
        )
        batch_op.drop_index(
            "builds_ready",
            sqlite_where=sa.text("state = 'ready'"),
            postgresql_where=sa.text("state = 'ready'"),
        )
        batch_op.drop_index(
            "builds_open",
            sqlite_where=sa.text("state IN ('waiting','blocked','ready','running','publishing')"),
            postgresql_where=sa.text("state IN ('waiting','blocked','ready','running','publishing')"),
        )
        batch_op.drop_index("builds_by_state")
        batch_op.drop_index("builds_by_request")
        batch_op.drop_index("builds_by_base")

    op.drop_table("builds")
    op.drop_table("usage")
    op.drop_table("shares")
    op.drop_table("queues")
    op.drop_table("tokens")
    op.drop_table("requests")
    op.drop_table("repositories")
    with op.batch_alter_table("packages", schema=None) as batch_op:
        batch_op.drop_index("packages_by_file")

    op.drop_table("packages")
    op.drop_table("events")
    op.drop_table("builders")
