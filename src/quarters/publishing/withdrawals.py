"""Takes packages out of repositories when the recipes that made them left their source."""

from datetime import timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import Connection

from quarters.formats.format import Formats
from quarters.model.errors import QuartersError
from quarters.model.repository import Repository
from quarters.planning.withdrawal import leaving
from quarters.publishing.change import Change
from quarters.publishing.swap import Credit, Swap, told
from quarters.storage import repositories, withdrawals
from quarters.storage.database import Database
from quarters.storage.wakeups import Topic, Wakeups

_LOOK = 60.0
"""Seconds between two looks at the rows, should a wake-up be missed or a grace period end."""

log = structlog.get_logger(__name__)


class _Due(NamedTuple):
    repository: Repository
    gone: frozenset[tuple[str, str]]
    sources: tuple[str, ...]
    settled: frozenset[str]


class Withdrawals:
    """Follows what sources say is withdrawn; what another recipe makes stays, and so does what people uploaded."""

    def __init__(self, database: Database, wakeups: Wakeups, swap: Swap, formats: Formats) -> None:
        self._database = database
        self._wakeups = wakeups
        self._swap = swap
        self._formats = formats

    async def run(self) -> None:
        """Carry out what is due, for ever."""
        while True:
            mark = self._wakeups.mark(Topic.PLANNING)
            for name in await self._database.read(withdrawals.repositories):
                try:
                    await self.carry_out(name)
                except QuartersError as error:
                    log.warning("packages could not be withdrawn", repository=name, error=str(error))
            await self._wakeups.wait(Topic.PLANNING, mark, _LOOK)

    async def carry_out(self, repository: str) -> None:
        """Take out of one repository, in one snapshot, what is due; NotFound."""
        async with self._swap.lock(repository):
            due = await self._database.read(self._due, repository)
            if due.gone:
                names = sorted({name for _, name in due.gone})
                credit = Credit(
                    ", ".join(f"source:{source}" for source in due.sources),
                    f"withdrawal of {told(names)}: no recipe makes {'it' if len(names) == 1 else 'them'} any more",
                )
                await self._swap.publish(due.repository, Change(gone=due.gone), credit)
            if due.settled:
                await self._database.write(withdrawals.settle, repository, due.settled)

    def _due(self, connection: Connection, name: str) -> _Due:
        repository = repositories.get(connection, name)
        before = self._swap.now() - timedelta(hours=repository.withdrawal_grace)
        due = [each for each in withdrawals.of(connection, name) if each.at <= before]
        pkgbases = frozenset(each.pkgbase for each in due)
        makers = withdrawals.makers(connection, name)
        listed = withdrawals.built(connection, name, pkgbases)
        compare = self._formats[repository.format].compare
        gone = leaving(listed, makers.made, makers.bases, lambda one, other: compare(one, other) > 0)
        left = {it.base for it in listed if it.name not in makers.made and (it.arch, it.name) not in gone}
        unfinished = withdrawals.being_built(connection, name, pkgbases - makers.bases)
        return _Due(
            repository, gone, tuple(sorted({each.source for each in due})), pkgbases - left - unfinished
        )
