"""Everything that the server's handlers call, as one value that the wiring makes."""

from dataclasses import dataclass
from pathlib import Path

from quarters.formats.format import Formats
from quarters.publishing.history import History
from quarters.publishing.imports import Imports
from quarters.publishing.inspection.inspector import Inspector
from quarters.publishing.keyrings import Keyrings
from quarters.publishing.keys import KeyRing
from quarters.publishing.pages import Pages
from quarters.publishing.promotions import Promotions
from quarters.publishing.publisher import Publisher
from quarters.publishing.repositories import Repositories
from quarters.publishing.retention import Retention
from quarters.publishing.rotation import Rotation
from quarters.publishing.shelf import Shelf
from quarters.publishing.trust import Trust
from quarters.scheduler.builders import Builders
from quarters.scheduler.builds import Builds
from quarters.scheduler.history import BuildHistory
from quarters.scheduler.leases import Leases
from quarters.scheduler.rebuilds import Rebuilds
from quarters.scheduler.requests import Requests
from quarters.scheduler.schedules import Schedules
from quarters.server.metrics import Metrics
from quarters.server.tokens import Tokens
from quarters.server.uploads import Uploads
from quarters.sources.additions import AurAdditions
from quarters.sources.desk import ReviewDesk
from quarters.sources.hooks import Hooks
from quarters.sources.showing import Showing
from quarters.sources.sync import SourceSync
from quarters.sources.tending import Gardener
from quarters.sources.updates.updater import Updater
from quarters.storage.database import Database
from quarters.storage.public import PublicTree
from quarters.storage.wakeups import Wakeups


@dataclass(frozen=True, kw_only=True)
class Services:
    """One verb of one of these is what a handler calls."""

    data: Path
    """The folder below which all files are that are served."""
    database: Database
    wakeups: Wakeups
    formats: Formats
    keys: KeyRing
    rotation: Rotation
    keyrings: Keyrings
    trust: Trust
    repositories: Repositories
    pages: Pages
    publisher: Publisher
    imports: Imports
    history: History
    promotions: Promotions
    retention: Retention
    inspector: Inspector
    shelf: Shelf
    public: PublicTree
    sources: SourceSync
    aur: AurAdditions
    hooks: Hooks
    updates: Updater
    reviews: ReviewDesk
    gardener: Gardener
    showing: Showing
    requests: Requests
    schedules: Schedules
    rebuilds: Rebuilds
    builds: Builds
    build_history: BuildHistory
    builders: Builders
    leases: Leases
    metrics: Metrics
    tokens: Tokens
    uploads: Uploads
