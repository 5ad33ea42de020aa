"""A whole server on SQLite and a free port, with real services, for tests that speak HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from quarters.formats.pacman import Pacman
from quarters.model.source import Source
from quarters.model.token import Scope
from quarters.protocol.client import Client
from quarters.protocol.resources import BuildRequest, CreatedToken, NewToken
from quarters.publishing.keyrings import armored
from quarters.scheduler.builders import Builders
from quarters.scheduler.builds import Builds
from quarters.scheduler.history import BuildHistory
from quarters.scheduler.intake import Intake
from quarters.scheduler.knowledge import Knowledge
from quarters.scheduler.leases import Leases, Terms
from quarters.scheduler.rebuilds import Rebuilds
from quarters.scheduler.requests import Requests
from quarters.scheduler.schedules import Schedules
from quarters.scheduler.settings import LogsSettings, SchedulerSettings
from quarters.scheduler.upstreams import Upstreams
from quarters.server import run
from quarters.server.app import create_app
from quarters.server.metrics import Metrics
from quarters.server.services import Services
from quarters.server.settings import ServerSettings
from quarters.server.tokens import Tokens
from quarters.server.uploads import Uploads
from quarters.sources.additions import AurAdditions
from quarters.sources.desk import ReviewDesk
from quarters.sources.hooks import Hooks
from quarters.sources.settings import SourcesSettings
from quarters.sources.showing import Showing
from quarters.sources.sync import SourceSync
from quarters.sources.tending import Gardener
from quarters.sources.updates.updater import Updater
from quarters.storage import recipes, sources
from quarters.storage.database import Database
from quarters.storage.logs import LogFiles
from tests.contracts.farm import recipe
from tests.press import Clock, Press

FORMATS = {"pacman": Pacman()}
_SOURCES = SourcesSettings(aur="http://127.0.0.1:9")


@dataclass(frozen=True)
class Running:
    """A server that listens at `url`, whose administrator has `token`; its loops do not run, tests take their part."""

    url: str
    token: str
    press: Press
    services: Services
    admin: Client
    stop: asyncio.Event
    serving: asyncio.Task[None]

    @property
    def clock(self) -> Clock:
        """The server's time, which stands still until a test moves it."""
        return self.press.clock

    async def create_token(
        self, scope: Scope, name: str = "somebody", days: int | None = None
    ) -> CreatedToken:
        """A token that works."""
        return await self.services.tokens.create(NewToken(name=name, scope=scope, days=days))

    def client(self, token: str = "") -> Client:
        """A client that the caller closes."""
        return Client(self.url, token)

    async def ready_builds(self, *pkgbases: str) -> list[int]:
        """Queue builds of recipes for the repository `own`, all ready; returns their numbers."""
        source = Source(name="tree", kind="tree", location="/tree", repository="own")
        await self.services.database.write(sources.add, source)
        await self.services.database.write(recipes.put, [recipe(pkgbase) for pkgbase in pkgbases])
        requested = await self.services.requests.request(BuildRequest(packages=pkgbases), "anna")
        return list(requested.builds)


def services(
    press: Press,
    settings: ServerSettings,
    scheduling: SchedulerSettings,
    sourcing: SourcesSettings = _SOURCES,
) -> Services:
    """Services around a press, wired as a server wires them."""
    database, wakeups, clock = press.database, press.wakeups, press.clock
    logs = LogFiles(press.folder / "logs")
    upstreams = Upstreams(database, wakeups, FORMATS, scheduling, clock)
    intake = Intake(logs, press.incoming, FORMATS)
    sources = SourceSync(database, wakeups, sourcing, press.folder / "sources", FORMATS, clock)
    knowledge = Knowledge(database, upstreams, FORMATS)
    return Services(
        data=press.folder,
        database=database,
        wakeups=wakeups,
        formats=FORMATS,
        keys=press.keys,
        repositories=press.repositories,
        publisher=press.publisher,
        imports=press.imports,
        pages=press.pages,
        history=press.history,
        promotions=press.promotions,
        retention=press.retention,
        inspector=press.inspector,
        rotation=press.rotation,
        keyrings=press.keyrings,
        trust=press.trust,
        shelf=press.shelf,
        public=press.public,
        sources=sources,
        aur=AurAdditions(sourcing, sources, wakeups, FORMATS, knowledge),
        hooks=Hooks(database, wakeups, clock),
        updates=Updater(database, wakeups, sourcing, FORMATS, sources, clock),
        reviews=ReviewDesk(database, wakeups, sources, clock),
        gardener=Gardener(database, wakeups, sources, FORMATS, clock),
        showing=Showing(database, wakeups),
        requests=Requests(database, wakeups, upstreams, FORMATS, scheduling, clock),
        schedules=Schedules(database, wakeups, upstreams, FORMATS, scheduling, clock),
        rebuilds=Rebuilds(database, wakeups, upstreams, FORMATS, scheduling, clock),
        builds=Builds(database, wakeups, logs, scheduling, clock),
        build_history=BuildHistory(database, wakeups, logs, LogsSettings(), clock),
        builders=Builders(database, wakeups, scheduling, clock),
        leases=Leases(database, wakeups, intake, Terms(scheduling), partial(armored, keys=press.keys), clock),
        metrics=Metrics(database, press.shelf, scheduling.builder_alive, clock),
        tokens=Tokens(database, clock),
        uploads=Uploads(press.folder / "incoming", settings.max_upload),
    )


@asynccontextmanager
async def running(
    folder: Path,
    settings: ServerSettings | None = None,
    *,
    scheduling: SchedulerSettings | None = None,
    sourcing: SourcesSettings = _SOURCES,
    database_url: str = "",
) -> AsyncIterator[Running]:
    """Start a server with the repository `own`, and stop it afterwards."""
    settings = settings or ServerSettings(port=0, shutdown_grace=1)
    database = Database(database_url or f"sqlite:///{folder / 'quarters.db'}")
    await database.open()
    press = Press(database, folder / "data")
    await press.repository()
    offered = services(press, settings, scheduling or SchedulerSettings(), sourcing)
    secret = (await offered.tokens.create(NewToken(name="admin", scope=Scope.ADMIN))).secret
    listening = run.listen(settings)
    url = run.local_url(listening)
    stop = asyncio.Event()
    serving = asyncio.create_task(run.serve(create_app(offered, settings), settings, listening, stop))
    try:
        async with Client(url, secret) as admin:
            yield Running(url, secret, press, offered, admin, stop, serving)
    finally:
        stop.set()
        await serving
        await database.close()
