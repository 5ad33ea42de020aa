"""What is followed: sources, their recipes, commits, reviews and schedules."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from quarters.storage.schema.columns import Id, Json, Time, metadata

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
    Column(
        "prereleases", Boolean, nullable=False, server_default=text("false")
    ),  # of versions that its kind knows
    Column("hook_secret", Text, nullable=False, server_default=""),  # what forges prove their pushes with
    Column("automatic", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("max_running", Integer, nullable=False, server_default="0"),  # of its builds at once, 0: no limit
    Column("review", Text, nullable=False, server_default="off"),
    Column("update_review", Text, nullable=False, server_default="major"),
    Column("trusted", Json, nullable=False, server_default="[]"),
    Column("cooldown", Integer, nullable=False, server_default="0"),  # hours
    Column("updates", Json, nullable=False, server_default="{}"),  # model.updates.Updates
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
    Column("request", Id),
    Column("problem", Text, nullable=False, server_default=""),
    UniqueConstraint("source", "number"),
)

# Changes of recipes that wait for a person, and what was decided about them; fingerprints are ids of git trees.
reviews = Table(
    "reviews",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", Text, ForeignKey("sources.name", ondelete="CASCADE"), nullable=False),
    Column("path", Text, nullable=False),
    Column("place", Text, nullable=False),  # source or upstream
    Column("from_revision", Text, nullable=False),
    Column("from_fingerprint", Text, nullable=False),
    Column("to_revision", Text, nullable=False),
    Column("to_fingerprint", Text, nullable=False),
    Column("verdict", Json, nullable=False),
    Column("maintainers", Json, nullable=False),
    Column("author", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("passes_at", Time),
    Column("created_at", Time, nullable=False),
    Column("decided_at", Time),
    Column("decided_by", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    Column("taken", Boolean, nullable=False, server_default=text("false")),
    Column("url", Text, nullable=False, server_default=""),
    Column("request", Id),  # the number of its merge request, while that or its branch is there
    Column("problem", Text, nullable=False, server_default=""),
    Index("reviews_by_path", "source", "path"),
    Index("reviews_by_state", "state"),
    sqlite_autoincrement=True,
)

# Who may change a recipe at its origin, as it was last seen, and since when that is so.
maintainers = Table(
    "maintainers",
    metadata,
    Column("source", Text, ForeignKey("sources.name", ondelete="CASCADE"), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("accounts", Json, nullable=False),
    Column("before", Json, nullable=False),  # the accounts until then
    Column("since", Time),  # null: from the first time that it was seen
)

# At which forge changes that wait are shown as merge requests.
forges = Table(
    "forges",
    metadata,
    Column("source", Text, ForeignKey("sources.name", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("assignee", Text, nullable=False),
    Column("token", Text, nullable=False),
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
