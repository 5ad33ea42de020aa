"""The server's process: its objects, made by hand, opened in order, and its loops."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from quarters.config import Config
from quarters.formats.pacman import Pacman
from quarters.publishing.deliveries import Deliveries
from quarters.publishing.history import History
from quarters.publishing.imports import Imports
from quarters.publishing.index import IndexWriter
from quarters.publishing.inspection.inspector import Inspector
from quarters.publishing.intake import Intake as Acceptance
from quarters.publishing.keyrings import Keyrings, armored
from quarters.publishing.pages import Pages
from quarters.publishing.promotions import Promotions
from quarters.publishing.publisher import Publisher
from quarters.publishing.repositories import Repositories
from quarters.publishing.retention import Retention
from quarters.publishing.rotation import Rotation
from quarters.publishing.shelf import Shelf
from quarters.publishing.staging import Staging
from quarters.publishing.swap import Swap
from quarters.publishing.trust import Trust
from quarters.publishing.withdrawals import Withdrawals
from quarters.scheduler.builders import Builders
from quarters.scheduler.builds import Builds
from quarters.scheduler.dependencies import Dependencies
from quarters.scheduler.deploys import Deploys
from quarters.scheduler.history import BuildHistory
from quarters.scheduler.intake import Intake
from quarters.scheduler.knowledge import Knowledge
from quarters.scheduler.leases import Leases, Terms
from quarters.scheduler.rebuilds import Rebuilds
from quarters.scheduler.renewals import Renewals
from quarters.scheduler.requests import Requests
from quarters.scheduler.schedules import Schedules
from quarters.scheduler.successions import Successions
from quarters.scheduler.upstreams import Upstreams
from quarters.server.app import create_app
from quarters.server.metrics import Metrics
from quarters.server.run import listen, local_url, serve
from quarters.server.services import Services
from quarters.server.tokens import Tokens
from quarters.server.uploads import Uploads
from quarters.sources.additions import AurAdditions
from quarters.sources.desk import ReviewDesk
from quarters.sources.hooks import Hooks
from quarters.sources.merge_requests import MergeRequests
from quarters.sources.showing import Showing
from quarters.sources.sync import SourceSync
from quarters.sources.tending import Gardener
from quarters.sources.updates.updater import Updater
from quarters.storage.database import Database
from quarters.storage.logs import LogFiles
from quarters.storage.ownership import owned
from quarters.storage.package_files import PackageFiles
from quarters.storage.public import PublicTree
from quarters.storage.uploads import Incoming
from quarters.storage.wakeups import Wakeups
from quarters.wiring.data_folder import claimed
from quarters.wiring.keys import keyring
from quarters.wiring.loops import kept_running


@dataclass(frozen=True)
class RunningServer:
    """A server that answers: `url` is for clients anywhere, `local_url` for programs on this machine."""

    url: str
    local_url: str
    services: Services


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[RunningServer]:
    """A server from data folder to answers; PortInUse, DataFolderBusy, DatabaseBusy, DataFolderUnusable."""
    async with AsyncExitStack() as stack:
        data = stack.enter_context(claimed(config.storage.data.absolute()))
        listening = stack.enter_context(listen(config.server))
        await stack.enter_async_context(owned(config.storage.database_url))
        database = Database(config.storage.database_url)
        await database.open()
        stack.push_async_callback(database.close)
        wakeups = Wakeups()
        services, loops = _assembled(config, data, database, wakeups)
        services.keys.ensure()
        await services.publisher.recover()
        await services.leases.recover()
        services.uploads.sweep()
        await stack.enter_async_context(_looping(loops))
        await stack.enter_async_context(_serving(services, config, listening))
        local = local_url(listening)
        yield RunningServer(config.server.public_url.rstrip("/") or local, local, services)


_Loops = Mapping[str, Callable[[], Awaitable[None]]]


def _assembled(config: Config, data: Path, database: Database, wakeups: Wakeups) -> tuple[Services, _Loops]:
    formats = {"pacman": Pacman()}
    keys = keyring(config)
    files, incoming, logs = (
        PackageFiles(data / "packages"),
        Incoming(data / "incoming"),
        LogFiles(data / "logs"),
    )
    index = IndexWriter(data / "index", database, formats, keys)
    public = PublicTree(data / "public")
    swap = Swap(database, wakeups, index, public, _now, config.publishing.kept_indexes)
    acceptance = Acceptance(database, files, keys, formats)
    publisher = Publisher(database, acceptance, swap)
    staging = Staging(database, wakeups, swap, index, formats)
    deliveries = Deliveries(database, wakeups, incoming, acceptance, staging, config.publishing)
    upstreams = Upstreams(database, wakeups, formats, config.scheduler, _now)
    requests = Requests(database, wakeups, upstreams, formats, config.scheduler, _now)
    rebuilds = Rebuilds(database, wakeups, upstreams, formats, config.scheduler, _now)
    leases = Leases(
        database,
        wakeups,
        Intake(logs, incoming, formats),
        Terms(config.scheduler, config.retries),
        partial(armored, keys=keys),
        _now,
    )
    sources = SourceSync(database, wakeups, config.sources, data / "sources", formats, _now)
    knowledge = Knowledge(database, upstreams, formats)
    shelf = Shelf(database, files, index, keys, formats)
    services = Services(
        data=data,
        database=database,
        wakeups=wakeups,
        formats=formats,
        keys=keys,
        repositories=Repositories(database, wakeups, swap, index, keys, formats),
        pages=Pages(database, formats),
        history=History(database, wakeups, _now),
        promotions=Promotions(database, swap, formats),
        retention=Retention(database, wakeups, files, swap, config.publishing, _now),
        inspector=Inspector(database, files, index, keys, formats, swap),
        publisher=publisher,
        imports=Imports(database, files, acceptance, swap),
        rotation=Rotation(database, keys, swap),
        keyrings=Keyrings(database, keys, publisher, formats, _now),
        trust=Trust(database, swap),
        shelf=shelf,
        public=public,
        sources=sources,
        aur=AurAdditions(config.sources, sources, wakeups, formats, knowledge),
        hooks=Hooks(database, wakeups, _now),
        updates=Updater(database, wakeups, config.sources, formats, sources, _now),
        reviews=ReviewDesk(database, wakeups, sources, _now),
        gardener=Gardener(database, wakeups, sources, formats, _now),
        showing=Showing(database, wakeups),
        requests=requests,
        schedules=Schedules(database, wakeups, upstreams, formats, config.scheduler, _now),
        rebuilds=rebuilds,
        builds=Builds(database, wakeups, logs, config.scheduler, _now),
        build_history=BuildHistory(database, wakeups, logs, config.logs, _now),
        builders=Builders(database, wakeups, config.scheduler, _now),
        leases=leases,
        metrics=Metrics(database, shelf, config.scheduler.builder_alive, _now),
        tokens=Tokens(database, _now),
        uploads=Uploads(data / "uploads", config.server.max_upload),
    )
    loops = {
        "sources": sources.run,
        "aur": services.aur.run,
        "updates": services.updates.run,
        "renewals": Renewals(database, wakeups, upstreams, formats, config.scheduler, _now).run,
        "merge requests": MergeRequests(database, wakeups, config.sources, sources, _now).run,
        "requests": requests.run,
        "deploys": Deploys(database, wakeups, requests, _now).run,
        "schedules": services.schedules.run,
        "successions": Successions(database, wakeups, formats, config.scheduler, _now).run,
        "dependencies": Dependencies(database, wakeups, formats, config.scheduler, _now).run,
        "rebuilds": rebuilds.run,
        "leases": leases.run,
        "publishing": deliveries.run,
        "withdrawals": Withdrawals(database, wakeups, swap, formats).run,
        "staging": staging.run,
        "retention": services.retention.run,
        "history": services.build_history.run,
        "metrics": services.metrics.run,
        "keys": services.rotation.run,
    }
    return services, loops


@asynccontextmanager
async def _looping(loops: _Loops) -> AsyncIterator[None]:
    # Not a TaskGroup: it would wrap what is raised meanwhile, and people are to read the error itself.
    tasks = [asyncio.create_task(kept_running(name, loop), name=name) for name, loop in loops.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _serving(services: Services, config: Config, listening: socket.socket) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(serve(create_app(services, config.server), config.server, listening, stop))
    try:
        yield
    finally:
        stop.set()
        await task


def _now() -> datetime:
    return datetime.now(UTC)
