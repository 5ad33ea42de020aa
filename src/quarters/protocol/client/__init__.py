"""The one HTTP client of the API: the builder, the command line and the tests use it."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

from quarters.protocol.client.aur import AurPackages
from quarters.protocol.client.builders import Builders
from quarters.protocol.client.builds import Builds
from quarters.protocol.client.checks import Checks
from quarters.protocol.client.events import Events
from quarters.protocol.client.imports import Imports
from quarters.protocol.client.keys import Keys
from quarters.protocol.client.rebuilds import Rebuilds
from quarters.protocol.client.recipes import Recipes
from quarters.protocol.client.repositories import Repositories
from quarters.protocol.client.reviews import Reviews
from quarters.protocol.client.schedules import Schedules
from quarters.protocol.client.served import Served
from quarters.protocol.client.snapshots import Snapshots
from quarters.protocol.client.sources import Sources
from quarters.protocol.client.tokens import Tokens
from quarters.protocol.client.transport import Transport
from quarters.protocol.client.trust import SYSTEM, Trust
from quarters.protocol.client.updates import Updates
from quarters.protocol.client.work import Work


class Client:
    """Every resource of the server at `url`, a noun each, as the bearer of `token`; use it as a context manager."""

    def __init__(self, url: str, token: str = "", trust: Trust = SYSTEM) -> None:
        self._transport = Transport(url, token, trust)
        self.url = self._transport.url
        self.repositories = Repositories(self._transport)
        self.imports = Imports(self._transport)
        self.snapshots = Snapshots(self._transport)
        self.served = Served(self._transport)
        self.checks = Checks(self._transport)
        self.schedules = Schedules(self._transport)
        self.sources = Sources(self._transport)
        self.updates = Updates(self._transport)
        self.aur = AurPackages(self._transport)
        self.reviews = Reviews(self._transport)
        self.recipes = Recipes(self._transport)
        self.builds = Builds(self._transport)
        self.rebuilds = Rebuilds(self._transport)
        self.builders = Builders(self._transport)
        self.tokens = Tokens(self._transport)
        self.keys = Keys(self._transport)
        self.events = Events(self._transport)
        self.work = Work(self._transport)

    async def __aenter__(self) -> Self:
        """Ready at once: connections are made when they are needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def clock(self) -> datetime | None:
        """What the server's clock says, to the second; None where whatever answers does not say it."""
        async with self._transport.opened("GET", "/health/ready") as answer:
            date = answer.headers.get("Date")
        return parsedate_to_datetime(date) if date else None

    async def ready(self) -> None:
        """Return if the server is ready, else raise ServerUnreachable or Unavailable."""
        await self._transport.exchange("GET", "/health/ready")
