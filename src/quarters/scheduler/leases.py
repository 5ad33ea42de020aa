"""The builders' side of the scheduler: claim, heartbeat, log, artifacts, finish; and the loop that misses the silent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import structlog
from sqlalchemy import Connection

from quarters.model.build import Outcome
from quarters.model.builder import Builder, BuilderState
from quarters.model.errors import Invalid, LeaseLost, QuartersError
from quarters.model.repository import Repository
from quarters.planning.retries import DEFAULTS, Retries
from quarters.protocol.builds import (
    ArtifactDigest,
    Assignment,
    ClaimReply,
    ClaimRequest,
    Finish,
    Heartbeat,
    HeartbeatReply,
    LeaseKey,
    Received,
)
from quarters.scheduler import claims, finishing
from quarters.scheduler.claims import Claimed
from quarters.scheduler.intake import Intake
from quarters.scheduler.selection import Rules
from quarters.scheduler.settings import SchedulerSettings
from quarters.storage import builders, leases, uploads
from quarters.storage.database import Database
from quarters.storage.leases import Held, RecipePlace
from quarters.storage.uploads import Content
from quarters.storage.wakeups import Topic, Wakeups

log = structlog.get_logger(__name__)

_MISSED = 3
"""Heartbeats that a builder may miss."""
_CHANGED = (Topic.READY, Topic.BUILDS, Topic.EVENTS)


class Terms(NamedTuple):
    """Under what terms builds are given out: how long leases last, and which failures are tried again when."""

    settings: SchedulerSettings
    retries: Retries = DEFAULTS


class Leases:
    """Hands builds out and takes their results; all that it knows is in rows and files."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        intake: Intake,
        terms: Terms,
        public_key: Callable[[Repository], str],
        now: Callable[[], datetime],
    ) -> None:
        """`public_key` gives the armoured keys that clients of a repository trust."""
        self._database = database
        self._wakeups = wakeups
        self._intake = intake
        self._settings = settings = terms.settings
        self._public_key = public_key
        self._now = now
        self._retries = terms.retries
        self._rules = Rules.of(settings)
        self._lasts = timedelta(seconds=_MISSED * settings.heartbeat)

    async def claim(self, request: ClaimRequest) -> ClaimReply:
        """Choose builds for a builder, waiting for some as long as it asks for and the settings allow."""
        loop = asyncio.get_running_loop()
        end = loop.time() + min(request.wait, self._settings.claim_wait)
        builder = self._builder(request)
        mark = self._wakeups.mark(Topic.READY)
        # The first try also notes who asks. The others only look while there is nothing, so that they cost no writes.
        claimed = await self._claim(request)
        while not claimed and (rest := end - loop.time()) > 0:
            now = self._now()
            some, later = await self._database.read(claims.next_look, builder, now, self._rules)
            if some and (claimed := await self._claim(request)):
                break
            backoff = (later - now).total_seconds() if later else self._settings.poll
            await self._wakeups.wait(Topic.READY, mark, min(rest, self._settings.poll, max(backoff, 0.05)))
            mark = self._wakeups.mark(Topic.READY)
        self._wakeups.notify(*((Topic.BUILDS, Topic.EVENTS) if claimed else (Topic.EVENTS,)))
        return ClaimReply(tuple(self._assignment(one) for one in claimed))

    async def recipe_place(self, key: LeaseKey) -> RecipePlace:
        """Where the recipe of a claimed build is."""
        await self._standing(key)
        return await self._database.read(leases.recipe_place, key.build)

    async def heartbeat(self, key: LeaseKey, said: Heartbeat) -> HeartbeatReply:
        """Renew a lease; `cancel` if the build is wanted no more, LeaseLost if the lease is gone."""
        cancel, moved = await self._database.write(self._renew, key, said)
        if moved:
            self._wakeups.notify(Topic.BUILDS, Topic.EVENTS)
        return HeartbeatReply(cancel)

    async def resume(self, key: LeaseKey) -> Assignment:
        """Give a build back to a builder that was away for too long, if nobody has begun it anew; LeaseLost if not."""
        claimed = await self._database.write(claims.resume, key, self._lasts, self._now())
        self._wakeups.notify(Topic.BUILDS, Topic.EVENTS, Topic.log(key.build))
        return self._assignment(claimed)

    async def append_log(self, key: LeaseKey, offset: int, data: bytes) -> Received:
        """Add to the log of an attempt at `offset`; the reply says from where to go on."""
        await self._standing(key)
        if offset + len(data) > self._settings.log_limit:
            raise Invalid(f"A log has at most {self._settings.log_limit} bytes.")
        size = await self._intake.append_log(key, offset, data)
        self._wakeups.notify(Topic.log(key.build))
        return Received(size)

    async def log_received(self, key: LeaseKey) -> Received:
        """How much of an attempt's log is there."""
        await self._standing(key)
        return Received(self._intake.logs.size(key.build, key.attempt))

    async def receive_artifact(
        self, key: LeaseKey, artifact: ArtifactDigest, offset: int, chunks: AsyncIterator[bytes]
    ) -> Received:
        """Take a file that the build made, from `offset` on; once all of it is here, it is verified and stays."""
        held = await self._standing(key)
        path = self._intake.path(key, held.format, artifact.file_name)
        whole = await self._database.read(uploads.whole, key.build, key.attempt)
        if whole.get(artifact.file_name) == (artifact.size, artifact.sha256):
            return Received(artifact.size)
        if artifact.file_name in whole:
            await self._database.write(uploads.forget, key.build, key.attempt, artifact.file_name)
        size, complete = await self._intake.receive(path, artifact, offset, chunks)
        if complete:
            await self._database.write(_accept, key, artifact)
        return Received(size)

    async def artifact_received(self, key: LeaseKey, file_name: str) -> Received:
        """How much of an artifact is here."""
        held = await self._standing(key)
        path = self._intake.path(key, held.format, file_name)
        return Received(path.stat().st_size if path.exists() else 0)

    async def finish(self, key: LeaseKey, said: Finish) -> None:
        """Take a builder's word for how its attempt ended; twice is as good as once."""
        if said.outcome is Outcome.BUILT:
            whole = await self._database.read(uploads.whole, key.build, key.attempt)
            for artifact in said.artifacts:
                if whole.get(artifact.file_name) != (artifact.size, artifact.sha256):
                    await self._accept_late(key, artifact)
            await self._seal(key, said)
        await self._database.write(finishing.finish, key, said, self._now(), self._retries)
        self._wakeups.notify(Topic.PUBLISHING, Topic.PLANNING, Topic.log(key.build), *_CHANGED)

    async def recover(self) -> None:
        """Clear away what a killed process left; to be done once, before builders are answered."""
        await asyncio.to_thread(self._intake.incoming.recover)

    async def run(self) -> None:
        """Take builds back from builders that went silent, and clear away what lost attempts sent; without end."""
        while True:
            try:
                await self._give_time()
                while not await self._clock_set_within_a_heartbeat():
                    await self.sweep()
            except QuartersError as error:
                log.warning("silent builders could not be looked for", error=str(error))
                await asyncio.sleep(self._settings.heartbeat)

    async def _give_time(self) -> None:
        """After a start, after the clock was set, and after the database was away, builders first get the time to report."""
        await self._database.write(leases.shorten, self._now() + self._lasts)
        await asyncio.sleep(self._lasts.total_seconds())

    async def _clock_set_within_a_heartbeat(self) -> bool:
        """Wait for so long; whether the clock went otherwise than time did: it was set, or the machine slept."""
        steady = asyncio.get_running_loop().time
        clock_began, began = self._now(), steady()
        await asyncio.sleep(self._settings.heartbeat)
        jump = (self._now() - clock_began).total_seconds() - (steady() - began)
        if abs(jump) <= self._settings.heartbeat:
            return False
        log.warning("the clock was set", seconds=round(jump))
        return True

    async def sweep(self) -> None:
        """One round of `run`."""
        now = self._now()
        if await self._database.read(leases.expired, now):
            lost = await self._database.write(finishing.lose_expired, now, self._retries)
            self._wakeups.notify(*_CHANGED, *(Topic.log(build) for build in lost))
        # What is new is listed before the rows are read, so that nothing that begins meanwhile is taken for a leftover.
        found = await asyncio.to_thread(self._intake.incoming.attempts)
        if found:
            keep = await self._database.read(leases.current_attempts)
            await asyncio.to_thread(self._intake.incoming.remove, found - keep)

    def _builder(self, request: ClaimRequest) -> Builder:
        return Builder(
            name=request.builder,
            arches=request.arches,
            slots=request.slots,
            state=BuilderState.ENABLED,
            last_seen=self._now(),
            version=request.version,
            executor=request.executor,
            build_class=request.build_class,
            memory=request.memory,
            disk=request.disk,
        )

    async def _standing(self, key: LeaseKey) -> Held:
        return await self._database.read(leases.standing, key.build, key.attempt, key.lease)

    async def _claim(self, request: ClaimRequest) -> list[Claimed]:
        alive = timedelta(seconds=self._settings.builder_alive)
        return await self._database.write(
            claims.claim, self._builder(request), request.free, self._lasts, alive, self._rules
        )

    def _assignment(self, claimed: Claimed) -> Assignment:
        key = self._public_key(claimed.repository) if claimed.snapshot else ""
        told = claims.assignment(claimed, self._settings.heartbeat, key)
        return msgspec.structs.replace(told, log_limit=self._settings.log_limit)

    def _renew(self, connection: Connection, key: LeaseKey, said: Heartbeat) -> tuple[bool, bool]:
        now = self._now()
        held = leases.held(connection, key.build, key.attempt, key.lease)
        if held.build.builder is not None:
            builders.seen(connection, held.build.builder, now)
        if held.outcome == "cancelled":
            return True, False
        leases.still_standing(held, key.attempt)
        leases.note_steps(connection, held.build, said.steps, now)
        leases.renew(connection, key.build, now + self._lasts)
        return False, bool(said.steps) and said.steps[-1].step != held.build.step

    async def _seal(self, key: LeaseKey, said: Finish) -> None:
        """Before the files are anybody else's, their builder can change them no more, however long it sends."""
        try:
            await self._standing(key)
        except LeaseLost:
            return  # `finish` knows what this means.
        whole = await self._database.read(uploads.whole, key.build, key.attempt)
        sent = {it.file_name: (it.size, it.sha256) for it in said.artifacts}
        if sent and all(whole.get(name) == content for name, content in sent.items()):
            await self._intake.incoming.seal(key.build, key.attempt)

    async def _accept_late(self, key: LeaseKey, artifact: ArtifactDigest) -> None:
        """A file may be here whole without its row, when the server was killed between the two."""
        try:
            held = await self._standing(key)
        except LeaseLost:
            return  # Said a second time, or too late: `finish` knows which.
        path = self._intake.path(key, held.format, artifact.file_name)
        if await self._intake.incoming.is_whole(path, Content(artifact.size, artifact.sha256)):
            await self._database.write(_accept, key, artifact)


def _accept(connection: Connection, key: LeaseKey, artifact: ArtifactDigest) -> None:
    leases.standing(connection, key.build, key.attempt, key.lease)
    content = Content(artifact.size, artifact.sha256)
    uploads.put(connection, key.build, key.attempt, artifact.file_name, content)
